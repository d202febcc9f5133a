/** Goal: only the peer that was meant, in its latest life, of this cluster, speaking a version we know, gets in. */
import { describe, expect, it } from 'vitest';
import { ByteWriter, KNOWN_VERSIONS } from '../../../src/base/index.js';
import {
  decodeHello,
  decodeWelcome,
  encodeHello,
  encodeWelcome,
  HandshakeGuard,
  type Hello,
} from '../../../src/codec/index.js';
import type { PeerIdentity } from '../../../src/ports/index.js';

const one: PeerIdentity = { clusterId: 'alpha', nodeId: 1, bootNumber: 3, nonce: 'n-one' };
const two: PeerIdentity = { clusterId: 'alpha', nodeId: 2, bootNumber: 5, nonce: 'n-two' };

function helloOf(identity: PeerIdentity, wanted = 1): Hello {
  return new HandshakeGuard(identity).hello('raft', wanted);
}

describe('the handshake', () => {
  it('says who calls, whom it wants, and who answers', () => {
    const w = new ByteWriter();
    const hello = new HandshakeGuard(two).hello('forward', 1);
    expect(decodeHello(encodeHello(w, hello))).toEqual(hello);
    const guard = new HandshakeGuard(one);
    const verdict = guard.judgeHello(hello);
    expect(verdict).toEqual({ kind: 'accepted', newLife: true });
    const welcome = decodeWelcome(encodeWelcome(w, guard.welcome(verdict)));
    expect(welcome).toEqual({ refused: null, text: '', versions: KNOWN_VERSIONS, version: 1, identity: one });
    expect(new HandshakeGuard(two).judgeWelcome(1, welcome).kind).toBe('accepted');
  });

  it('E24 refuses another cluster, naming both ids', () => {
    const verdict = new HandshakeGuard(one).judgeHello(helloOf({ ...two, clusterId: 'beta' }));
    expect(verdict).toMatchObject({ kind: 'refused', reason: 'WRONG_CLUSTER' });
    expect(JSON.stringify(verdict)).toMatch(/beta.*alpha/);
  });

  it('E24 refuses a call meant for another node at this address, on both sides', () => {
    expect(new HandshakeGuard(one).judgeHello(helloOf(two, 3))).toMatchObject({ reason: 'WRONG_NODE' });
    const guard = new HandshakeGuard(one);
    const welcome = new HandshakeGuard(two).welcome({ kind: 'accepted', newLife: true });
    expect(guard.judgeWelcome(3, welcome)).toMatchObject({ reason: 'WRONG_NODE' });
  });

  it('E24 refuses an earlier life of a node, whichever side heard of the later one', () => {
    const guard = new HandshakeGuard(one);
    const welcome = new HandshakeGuard(two).welcome({ kind: 'accepted', newLife: true });
    expect(guard.judgeWelcome(2, welcome)).toMatchObject({ kind: 'accepted', newLife: true });
    expect(guard.judgeHello(helloOf(two))).toMatchObject({ kind: 'accepted', newLife: false });
    expect(guard.judgeHello(helloOf({ ...two, bootNumber: 4 }))).toMatchObject({
      reason: 'OLD_DATA_DIRECTORY',
    });
    expect(guard.isCurrent(2, 5)).toBe(true);
    expect(guard.isCurrent(2, 4)).toBe(false);
  });

  it('E121 refuses two copies of one directory: an equal boot number with another nonce', () => {
    const guard = new HandshakeGuard(one);
    guard.judgeHello(helloOf(two));
    expect(guard.judgeHello(helloOf({ ...two, nonce: 'copy' }))).toMatchObject({
      reason: 'OLD_DATA_DIRECTORY',
    });
    expect(guard.judgeHello(helloOf({ ...one, nonce: 'copy' }))).toMatchObject({
      reason: 'OLD_DATA_DIRECTORY',
    });
  });

  it('notices a new life', () => {
    const guard = new HandshakeGuard(one);
    guard.judgeHello(helloOf(two));
    const later = helloOf({ ...two, bootNumber: 6, nonce: 'later' });
    expect(guard.judgeHello(later)).toMatchObject({ kind: 'accepted', newLife: true });
    expect(guard.judgeHello(later)).toMatchObject({ kind: 'accepted', newLife: false });
  });

  it('E125 accepts builds that know the version in force, and refuses others on both sides, naming the next step', () => {
    const older = (): HandshakeGuard => new HandshakeGuard(two, { min: 1, max: 3 }, 3);
    const newer = new HandshakeGuard(one, { min: 2, max: 4 }, 3);
    expect(newer.judgeHello(older().hello('raft', 1))).toMatchObject({ kind: 'accepted' });
    expect(older().judgeHello(newer.hello('raft', 2))).toMatchObject({ kind: 'accepted' });
    const text =
      /node 2 knows cluster version 1 to 3, and node 1 has version 4 in force: start node 2 with a build/;
    newer.raise(4);
    newer.raise(3); // it never goes back
    const refused = newer.judgeHello(older().hello('raft', 1));
    expect(refused).toMatchObject({ reason: 'UNSUPPORTED_VERSION', text: expect.stringMatching(text) });
    const told = older().judgeWelcome(1, newer.welcome(refused));
    expect(told).toMatchObject({ reason: 'UNSUPPORTED_VERSION', text: expect.stringMatching(text) });
    // The older side refuses too, whoever dials.
    const judged = older().judgeHello(newer.hello('raft', 2));
    expect(judged).toMatchObject({ reason: 'UNSUPPORTED_VERSION', text: expect.stringMatching(text) });
    const welcome = older().welcome({ kind: 'accepted', newLife: true });
    expect(newer.judgeWelcome(2, welcome)).toMatchObject({ text: expect.stringMatching(text) });
    // A build from before must not take part where less is in force than it can do.
    const first = new HandshakeGuard(two, { min: 1, max: 2 }, 1);
    const accepted = first.welcome({ kind: 'accepted', newLife: true });
    expect(new HandshakeGuard(one, { min: 2, max: 4 }).judgeWelcome(2, accepted)).toMatchObject({
      reason: 'UNSUPPORTED_VERSION',
    });
  });

  it('takes nothing over from a refused peer', () => {
    const guard = new HandshakeGuard(one);
    guard.judgeHello(helloOf(two));
    guard.judgeHello(helloOf({ ...two, clusterId: 'beta', bootNumber: 99 }));
    guard.judgeHello(helloOf({ ...two, bootNumber: 99 }, 7));
    expect(guard.isCurrent(2, 5)).toBe(true);
  });
});
