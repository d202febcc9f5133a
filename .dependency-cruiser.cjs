/**
 * The import rule, for dependency-cruiser: a folder imports only folders of a lower level, through their index.ts,
 * so that a circle can't be. The levels are the table of docs/architecture.md. test/structure/imports.test.ts holds
 * the tree to it, and proves on small breaking trees that each rule catches what it is for.
 */
const LEVELS = {
  base: 0,
  ports: 1,
  settings: 1,
  raft: 1,
  kv: 1,
  meta: 1,
  topology: 1,
  codec: 2,
  storage: 3,
  adapters: 3,
  group: 4,
  host: 5,
  coordinator: 6,
  api: 7,
  client: 7,
  node: 8,
  cli: 8,
};

/** The replicated state machines are told of the world by its types alone. */
const TYPES_OF_PORTS = ['kv', 'meta'];

/** Besides the lower levels' rule: all that these may see. */
const ONLY = {
  raft: ['base'],
  topology: ['base'],
  kv: ['base', 'ports'],
  meta: ['base', 'ports'],
  client: ['base', 'ports', 'codec', 'topology'],
};

/** npm packages outside adapters/: who may use which. */
const PACKAGES = { settings: ['zod', 'yaml'], cli: ['commander'] };

/** Entries besides a folder's index.ts: parts that the SDK uses, and that must not bring the rest of the folder along. */
const SECOND_ENTRIES = '^src/(codec/cache|adapters/sdk)/index\\.ts$';

const folders = Object.keys(LEVELS);
const anyOf = (names) => `^src/(${names.join('|')})/`;

function notLower(folder) {
  return folders.filter((other) => {
    if (other === folder) return false;
    if (other === 'ports' && (TYPES_OF_PORTS.includes(folder) || folder === 'settings')) return false;
    return LEVELS[other] >= LEVELS[folder];
  });
}

const levelRules = folders.map((folder) => ({
  name: `lower-levels-only-${folder}`,
  severity: 'error',
  from: { path: anyOf([folder]) },
  to: { path: anyOf(notLower(folder)) },
}));

const onlyRules = Object.entries(ONLY).map(([folder, allowed]) => ({
  name: `sees-only-${folder}`,
  severity: 'error',
  from: { path: anyOf([folder]) },
  to: { path: '^src/', pathNot: anyOf([...allowed, folder]) },
}));

const packageRules = folders
  .filter((folder) => folder !== 'adapters')
  .map((folder) => ({
    name: `packages-${folder}`,
    severity: 'error',
    from: { path: anyOf([folder]) },
    to: {
      path: 'node_modules/',
      ...(PACKAGES[folder] ? { pathNot: `node_modules/(${PACKAGES[folder].join('|')})/` } : {}),
    },
  }));

module.exports = {
  forbidden: [
    ...levelRules,
    ...onlyRules,
    ...packageRules,
    {
      name: 'no-circle',
      severity: 'error',
      comment:
        'Of what runs. Types of one folder may name each other; between folders the levels forbid that too',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'ports-as-types',
      severity: 'error',
      comment: 'kv and meta are pure: of ports they know the types',
      from: { path: anyOf(TYPES_OF_PORTS) },
      to: { path: anyOf(['ports']), dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'adapters-from-roots',
      severity: 'error',
      from: { path: '^src/[^/]+/', pathNot: '^src/adapters/' },
      to: { path: '^src/adapters/' },
    },
    {
      name: 'nobody-imports-roots',
      severity: 'error',
      from: { path: '^src/[^/]+/' },
      to: { path: '^src/[^/]+\\.ts$' },
    },
    {
      name: 'through-the-index',
      severity: 'error',
      from: { path: '^src/([^/]+)/' },
      to: { path: '^src/[^/]+/.', pathNot: ['^src/$1/', '^src/[^/]+/index\\.ts$', SECOND_ENTRIES] },
    },
    {
      name: 'through-the-index-from-roots',
      severity: 'error',
      from: { path: '^src/[^/]+\\.ts$' },
      to: { path: '^src/[^/]+/.', pathNot: ['^src/[^/]+/index\\.ts$', SECOND_ENTRIES] },
    },
    {
      name: 'cache-codec-sees-base-alone',
      severity: 'error',
      comment: 'It is in the import graph of the SDK',
      from: { path: '^src/codec/cache/' },
      to: { path: '^src/', pathNot: ['^src/codec/cache/', '^src/base/'] },
    },
    {
      name: 'cache-codec-users',
      severity: 'error',
      comment:
        'The public protocol is spoken at the front: nobody below knows it, codec/index.ts least of all',
      from: {
        path: '^src/[^/]+/',
        pathNot: ['^src/codec/cache/', anyOf(['client', 'api', 'node', 'adapters'])],
      },
      to: { path: '^src/codec/cache/' },
    },
    {
      name: 'client-sees-cache-codec-alone',
      severity: 'error',
      comment: 'The rest of codec brings raft along',
      from: { path: '^src/client/' },
      to: { path: '^src/codec/', pathNot: '^src/codec/cache/' },
    },
    {
      name: 'node-at-the-edge',
      severity: 'error',
      comment: 'Only adapters, the command line and the roots touch Node',
      from: { path: '^src/[^/]+/', pathNot: anyOf(['adapters', 'cli']) },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'every-folder-has-a-level',
      severity: 'error',
      from: { path: '^src/[^/]+/', pathNot: anyOf(folders) },
      to: {},
    },
    {
      name: 'resolvable',
      severity: 'error',
      from: { path: '^src/' },
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.json'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
