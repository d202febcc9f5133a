import { expect, test } from 'vitest';
import { decodeMetaState, encodeMetaState } from '../../../src/meta/index.js';
import { ControlService, type ControlContext } from '../../../src/node/control-service.js';
import type { Member } from '../../../src/node/member.js';
import type { Waiting } from '../../../src/node/waiting.js';
import type { ControlMethod, ControlMethods } from '../../../src/ports/index.js';
import { makeInstance, makeState } from '../../support/loop-meta.js';

const STATUS = { clusterId: '', nodeId: 0, ready: false, missing: ['all'], json: '{}' };
const STATE = makeState(3);

function service(context: Partial<ControlContext>): {
  ask: <M extends ControlMethod>(method: M, request: ControlMethods[M]['request']) => unknown;
} {
  const full: ControlContext = {
    self: makeInstance(1),
    waiting: null,
    member: null,
    status: () => STATUS,
    ...context,
  };
  const control = new ControlService(full);
  return {
    ask: (method, request) => {
      let answer: unknown = 'nothing';
      control.handle(method, request, (failure, response) => {
        if (answer !== 'nothing') throw new Error('answered twice');
        answer = response ?? failure;
      });
      return answer;
    },
  };
}

function memberOf(): Member {
  const fake = {
    view: { state: STATE },
    knowsGenesis: (bytes: Uint8Array) => decodeMetaState(bytes).clusterId === STATE.clusterId,
    meta: {
      upsertNode: (_from: unknown, _fallback: unknown, done: (failure: null, outcome: unknown) => void) =>
        done(null, { nodeId: 4, state: STATE }),
    },
  };
  return fake as unknown as Member;
}

const HELLO = { from: makeInstance(2), clusterId: '' };
const INIT = { shards: 1, replicas: 1, waitMs: 0, allowFewer: false };

function found(step: 'claim' | 'genesis', state = STATE): ControlMethods['found']['request'] {
  return { step, founder: makeInstance(2), nodeId: 1, state: encodeMetaState(state) };
}

test('status is answered at any time', () => {
  expect(service({ self: null }).ask('status', {})).toEqual(STATUS);
});

test('while the node opens its directory it says that it is starting', () => {
  for (const context of [{ self: null }, {}]) {
    const { ask } = service(context);
    expect(ask('hello', HELLO)).toMatchObject({ code: 'UNAVAILABLE' });
    expect(ask('init', INIT)).toMatchObject({ code: 'UNAVAILABLE' });
    expect(ask('found', found('claim'))).toMatchObject({ code: 'UNAVAILABLE' });
  }
});

test('a waiting node passes the calls on, and lets nobody join', () => {
  const calls: string[] = [];
  const waiting = {
    onHello: () => {
      calls.push('hello');
      return { self: makeInstance(1), clusterId: '', waiting: [] };
    },
    onInit: (_request: unknown, reply: (failure: null, response: unknown) => void) => {
      calls.push('init');
      reply(null, 'founded');
    },
    onFound: (_request: unknown, reply: (failure: null, response: unknown) => void) => {
      calls.push('found');
      reply(null, 'accepted');
    },
  } as unknown as Waiting;
  const { ask } = service({ waiting });
  expect(ask('hello', HELLO)).toMatchObject({ clusterId: '' });
  expect(ask('init', INIT)).toBe('founded');
  expect(ask('found', found('claim'))).toBe('accepted');
  expect(ask('join', { from: makeInstance(2) })).toMatchObject({ code: 'NOT_INITIALISED' });
  expect(calls).toEqual(['hello', 'init', 'found']);
});

test('E118 a member refuses another init, naming its cluster', () => {
  const answer = service({ member: memberOf() }).ask('init', INIT);
  expect(answer).toMatchObject({ code: 'ALREADY_INITIALISED' });
  expect(JSON.stringify(answer)).toContain('cluster-a');
});

test('a member answers hello with its cluster, and a join with id and state', () => {
  const { ask } = service({ member: memberOf() });
  expect(ask('hello', HELLO)).toEqual({ self: makeInstance(1), clusterId: 'cluster-a', waiting: [] });
  expect(ask('join', { from: makeInstance(9) })).toEqual({
    clusterId: 'cluster-a',
    nodeId: 4,
    state: encodeMetaState(STATE),
  });
});

test('E48 a member accepts its own genesis again, and nobody else’s claim or genesis', () => {
  const { ask } = service({ member: memberOf() });
  expect(ask('found', found('genesis'))).toEqual({ accepted: true, reason: '' });
  expect(ask('found', found('genesis', makeState(3, 4, 3, 'cluster-b')))).toMatchObject({ accepted: false });
  const claimed = ask('found', found('claim'));
  expect(claimed).toMatchObject({ accepted: false });
  expect(JSON.stringify(claimed)).toContain('cluster-a');
});

test('E100 a caller with an address that can’t be dialled is refused before anything is kept', () => {
  const { ask } = service({ member: memberOf() });
  const good = makeInstance(9);
  for (const peer of ['', 'x', 'host', 'host:99999', 'a b:1']) {
    const bad = { ...good, addresses: { ...good.addresses, peer } };
    expect(ask('join', { from: bad })).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(ask('hello', { ...HELLO, from: bad })).toMatchObject({ code: 'INVALID_ARGUMENT' });
  }
  expect(ask('join', { from: { ...good, instanceId: '' } })).toMatchObject({ code: 'INVALID_ARGUMENT' });
});
