/**
 * proto/quorate/v1/control.proto and the domain's control calls: loading the service definition, and turning its
 * messages into the types of ports/control.ts and back. What comes off the wire is checked here, once.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadPackageDefinition } from '@grpc/grpc-js';
import type { ServiceClientConstructor } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

import type { NodeAddresses, VersionRange } from '../base/index.js';
import type { ControlMethod, Instance } from '../ports/index.js';
import { CHECKPOINT_CODECS } from './grpc-checkpoint-schema.js';
import { VERIFY_CODECS } from './grpc-verify-schema.js';
import { membersFromWire, membersToWire } from './wire-members.js';
import {
  bytes,
  integer,
  list,
  malformed,
  message,
  text,
  type MethodCodec,
  type WireMessage,
} from './wire-message.js';

const PROTO = 'quorate/v1/control.proto';

let controlService: ServiceClientConstructor | null = null;

/** The generated client class; its `service` is what a server implements. Loaded once, on first use. */
export function loadControlService(): ServiceClientConstructor {
  if (controlService) return controlService;
  const definition = loadSync(PROTO, {
    includeDirs: [protoFolder()],
    keepCase: false,
    longs: Number,
    enums: String,
    defaults: true,
    arrays: true,
  });
  const tree = loadPackageDefinition(definition) as unknown as {
    quorate: { v1: { Control: ServiceClientConstructor } };
  };
  controlService = tree.quorate.v1.Control;
  return controlService;
}

/** `proto/` stands at the package's root, at another distance from the sources than from what is built of them. */
export function protoFolder(): string {
  let folder = path.dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const candidate = path.join(folder, 'proto');
    if (existsSync(path.join(candidate, PROTO))) return candidate;
    const parent = path.dirname(folder);
    if (parent === folder) throw new Error(`proto/${PROTO} is not part of this installation`);
    folder = parent;
  }
}

const FOUND_STEPS = {
  claim: 'FOUND_STEP_CLAIM',
  genesis: 'FOUND_STEP_GENESIS',
  release: 'FOUND_STEP_RELEASE',
} as const;
type FoundStep = keyof typeof FOUND_STEPS;

const CONFIG_ACTIONS = {
  get: 'CONFIG_ACTION_GET',
  list: 'CONFIG_ACTION_LIST',
  set: 'CONFIG_ACTION_SET',
  reset: 'CONFIG_ACTION_RESET',
} as const;
type ConfigAction = keyof typeof CONFIG_ACTIONS;

const UPGRADE_ACTIONS = { status: 'UPGRADE_ACTION_STATUS', finish: 'UPGRADE_ACTION_FINISH' } as const;

export const CONTROL_CODECS: { readonly [M in ControlMethod]: MethodCodec<M> } = {
  hello: {
    encodeRequest: ({ from, clusterId }) => ({ from: encodeInstance(from), clusterId }),
    decodeRequest: (wire) => ({ from: instance(wire['from']), clusterId: text(wire['clusterId']) }),
    encodeResponse: ({ self, clusterId, waiting }) => ({
      self: encodeInstance(self),
      clusterId,
      waiting: waiting.map(encodeInstance),
    }),
    decodeResponse: (wire) => ({
      self: instance(wire['self']),
      clusterId: text(wire['clusterId']),
      waiting: list(wire['waiting']).map(instance),
    }),
  },
  join: {
    encodeRequest: ({ from }) => ({ from: encodeInstance(from) }),
    decodeRequest: (wire) => ({ from: instance(wire['from']) }),
    encodeResponse: (response) => ({ ...response }),
    decodeResponse: (wire) => ({
      clusterId: text(wire['clusterId']),
      nodeId: integer(wire['nodeId']),
      state: bytes(wire['state']),
    }),
  },
  init: {
    encodeRequest: (request) => ({ ...request }),
    decodeRequest: (wire) => ({
      shards: integer(wire['shards']),
      replicas: integer(wire['replicas']),
      waitMs: integer(wire['waitMs']),
      allowFewer: wire['allowFewer'] === true,
    }),
    encodeResponse: (response) => ({ ...response }),
    decodeResponse: (wire) => ({
      clusterId: text(wire['clusterId']),
      nodes: list(wire['nodes']).map((node) => ({
        id: integer(message(node)['id']),
        addresses: addresses(message(node)['addresses']),
      })),
      shards: integer(wire['shards']),
      replicas: integer(wire['replicas']),
    }),
  },
  found: {
    encodeRequest: (request) => ({
      ...request,
      step: FOUND_STEPS[request.step],
      founder: encodeInstance(request.founder),
    }),
    decodeRequest: (wire) => ({
      step: foundStep(wire['step']),
      founder: instance(wire['founder']),
      nodeId: integer(wire['nodeId']),
      state: bytes(wire['state']),
    }),
    encodeResponse: (response) => ({ ...response }),
    decodeResponse: (wire) => ({ accepted: wire['accepted'] === true, reason: text(wire['reason']) }),
  },
  report: {
    encodeRequest: ({ group, members }) => ({
      group,
      ...members,
      replicas: membersToWire(members.replicas),
    }),
    decodeRequest: (wire) => ({
      group: integer(wire['group']),
      members: {
        configurationVersion: integer(wire['configurationVersion']),
        highestId: integer(wire['highestId']),
        replicas: membersFromWire(wire['replicas']),
      },
    }),
    encodeResponse: (response) => ({ ...response }),
    decodeResponse: (wire) => ({ state: bytes(wire['state']) }),
  },
  transfer: {
    encodeRequest: (request) => ({ ...request }),
    decodeRequest: (wire) => ({
      group: integer(wire['group']),
      node: integer(wire['node']),
      forwarded: wire['forwarded'] === true,
    }),
    encodeResponse: ({ leader, tookMs }) => ({ leader, tookMs: Math.round(tookMs) }),
    decodeResponse: (wire) => ({ leader: integer(wire['leader']), tookMs: integer(wire['tookMs']) }),
  },
  config: {
    encodeRequest: (request) => ({ ...request, action: CONFIG_ACTIONS[request.action] }),
    decodeRequest: (wire) => ({
      action: configAction(wire['action']),
      name: text(wire['name']),
      value: text(wire['value']),
    }),
    encodeResponse: ({ settings, state }) => ({
      state,
      settings: settings.map(({ isDefault, ...setting }) => ({ ...setting, default: isDefault })),
    }),
    decodeResponse: (wire) => ({
      settings: list(wire['settings']).map((item) => {
        const setting = message(item);
        return {
          name: text(setting['name']),
          value: text(setting['value']),
          isDefault: setting['default'] === true,
          accepts: text(setting['accepts']),
          help: text(setting['help']),
        };
      }),
      state: bytes(wire['state']),
    }),
  },
  upgrade: {
    encodeRequest: ({ action }) => ({ action: UPGRADE_ACTIONS[action] }),
    decodeRequest: (wire) => ({ action: upgradeAction(wire['action']) }),
    encodeResponse: ({ clusterVersion, target, nodes, state }) => ({
      clusterVersion,
      target,
      nodes: nodes.map(({ id, address, versions }) => ({ id, address, ...encodeVersions(versions) })),
      state,
    }),
    decodeResponse: (wire) => ({
      clusterVersion: integer(wire['clusterVersion']),
      target: integer(wire['target']),
      nodes: list(wire['nodes']).map((item) => {
        const node = message(item);
        return { id: integer(node['id']), address: text(node['address']), versions: versions(node) };
      }),
      state: bytes(wire['state']),
    }),
  },
  ...VERIFY_CODECS,
  ...CHECKPOINT_CODECS,
  status: {
    encodeRequest: () => ({}),
    decodeRequest: () => ({}),
    encodeResponse: (response) => ({ ...response }),
    decodeResponse: (wire) => ({
      clusterId: text(wire['clusterId']),
      nodeId: integer(wire['nodeId']),
      ready: wire['ready'] === true,
      missing: list(wire['missing']).map(text),
      json: text(wire['json']),
    }),
  },
};

function addresses(value: unknown): NodeAddresses {
  const wire = message(value);
  return {
    grpc: text(wire['grpc']),
    peer: text(wire['peer']),
    resp: text(wire['resp']),
    http: text(wire['http']),
    respMoved: text(wire['respMoved']),
  };
}

function instance(value: unknown): Instance {
  const wire = message(value);
  return {
    instanceId: text(wire['instanceId']),
    addresses: addresses(wire['addresses']),
    versions: versions(wire),
  };
}

function encodeInstance({ instanceId, addresses, versions }: Instance): WireMessage {
  return { instanceId, addresses, ...encodeVersions(versions) };
}

function versions(wire: WireMessage): VersionRange {
  return { min: integer(wire['versionMin']), max: integer(wire['versionMax']) };
}

function encodeVersions({ min, max }: VersionRange): WireMessage {
  return { versionMin: min, versionMax: max };
}

function upgradeAction(value: unknown): 'status' | 'finish' {
  if (value === UPGRADE_ACTIONS.status) return 'status';
  return value === UPGRADE_ACTIONS.finish ? 'finish' : malformed('unknown action on an upgrade');
}

function foundStep(value: unknown): FoundStep {
  const steps = Object.keys(FOUND_STEPS) as FoundStep[];
  const step = steps.find((candidate) => FOUND_STEPS[candidate] === value);
  return step ?? malformed('unknown founding step');
}

function configAction(value: unknown): ConfigAction {
  const actions = Object.keys(CONFIG_ACTIONS) as ConfigAction[];
  const action = actions.find((candidate) => CONFIG_ACTIONS[candidate] === value);
  return action ?? malformed('unknown action on a setting');
}
