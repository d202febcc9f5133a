/**
 * A node's settings from everywhere they may be given: flags over environment over file over what the data directory
 * stores over defaults. Pure: the caller reads files and the environment.
 *
 * Only what came by flag is stored (and stays stored): files and environments come back by themselves at the next
 * start, a flag doesn't. `data` is never stored, since it says where to look.
 */
import { parse as parseYaml } from 'yaml';

import { checkAddresses, deriveAddress, LISTENERS } from './addresses.js';
import { environmentVariableOf, flagOf, isSettingName, SETTING_NAMES } from './names.js';
import type { SettingName } from './names.js';
import { nodeSettingsSchema } from './schema.js';
import type { NodeSettings } from './schema.js';
import { flattenSettings, nestSettings, parseSettingText, settingOf } from './values.js';

/** Where a setting's value came from. `derived`: follows from the gRPC address. */
export type SettingOrigin = 'flag' | 'environment' | 'file' | 'stored' | 'derived' | 'default';

export interface SettingsText {
  /** How errors call it. */
  readonly name: string;
  readonly text: string;
}

export interface SettingsSources {
  readonly flags: ReadonlyMap<SettingName, string>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** quorate.yaml; null when there is none. */
  readonly file: SettingsText | null;
  /** What an earlier start left in the data directory. */
  readonly stored: SettingsText | null;
}

export interface LoadedSettings {
  readonly settings: NodeSettings;
  readonly origins: ReadonlyMap<SettingName, SettingOrigin>;
  /** For the data directory: read back as `stored` at the next start. */
  readonly toStore: string;
  readonly warnings: readonly string[];
}

export type LoadResult =
  | { readonly ok: true; readonly loaded: LoadedSettings }
  | {
      readonly ok: false;
      /** `refused`: the data directory is not for this version, whatever else is given. */
      readonly reason: 'usage' | 'refused';
      readonly problems: readonly string[];
    };

const STORED_FORMAT = 1;

/** Variables with our prefix that are no settings. */
const OTHER_VARIABLES = new Set(['QUORATE_CONFIG', 'QUORATE_NODES_HERE']);

interface Given {
  readonly value: unknown;
  readonly origin: SettingOrigin;
  /** For errors: how it was given. */
  readonly by: string;
}

class Collector {
  readonly given = new Map<SettingName, Given>();
  readonly problems: string[] = [];
  readonly warnings: string[] = [];

  /** Later sources beat earlier ones. */
  put(name: SettingName, value: unknown, origin: SettingOrigin, by: string): void {
    this.given.set(name, { value, origin, by });
  }

  putText(name: SettingName, text: string, origin: SettingOrigin, by: string): void {
    const parsed = parseSettingText(name, text);
    if (parsed.ok) this.put(name, parsed.value, origin, by);
    else this.problems.push(`${name} (${by}): expected ${parsed.expected}, got "${text}"`);
  }
}

export function loadSettings(sources: SettingsSources): LoadResult {
  const collector = new Collector();
  const stored = readStored(sources.stored, collector);
  if (collector.problems.length > 0) return { ok: false, reason: 'refused', problems: collector.problems };
  for (const [name, value] of stored) collector.put(name, value, 'stored', sources.stored?.name ?? 'stored');
  readFile(sources.file, collector);
  readEnvironment(sources.environment, collector);
  for (const [name, text] of sources.flags) collector.putText(name, text, 'flag', `--${flagOf(name)}`);
  deriveAddresses(collector);
  if (collector.problems.length > 0) return { ok: false, reason: 'usage', problems: collector.problems };

  const settings = validate(collector);
  if (!settings) return { ok: false, reason: 'usage', problems: collector.problems };
  const problems = [...checkAddresses(settings), ...checkTogether(settings)];
  if (problems.length > 0) return { ok: false, reason: 'usage', problems };
  return {
    ok: true,
    loaded: {
      settings,
      origins: originsOf(collector),
      toStore: encodeStored(settings, stored, sources.flags),
      warnings: collector.warnings,
    },
  };
}

/** The data directory, which has to be known before what it stores can be read. */
export function dataFolderOf(sources: Omit<SettingsSources, 'stored'>): string {
  const collector = new Collector();
  readFile(sources.file, collector);
  readEnvironment(sources.environment, collector);
  for (const [name, text] of sources.flags) collector.putText(name, text, 'flag', '');
  const value = collector.given.get('data')?.value;
  return typeof value === 'string' && value !== '' ? value : nodeSettingsSchema.parse({}).data;
}

function readFile(file: SettingsText | null, collector: Collector): void {
  if (!file) return;
  let tree: unknown;
  try {
    tree = parseYaml(file.text);
  } catch (error) {
    collector.problems.push(
      `${file.name}: not YAML: ${error instanceof Error ? error.message : String(error)}`,
    );
    return;
  }
  if (tree !== null && tree !== undefined && (typeof tree !== 'object' || Array.isArray(tree))) {
    collector.problems.push(`${file.name}: expected settings as "name: value"`);
    return;
  }
  const { known, unknown } = flattenSettings(tree);
  for (const name of unknown)
    collector.problems.push(`${file.name}: unknown setting ${name}${suggestion(name)}`);
  for (const [name, value] of known) collector.put(name, value, 'file', file.name);
}

/** Unknown variables are told, not refused: orchestrators invent some from a service's name. */
function readEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  collector: Collector,
): void {
  const known = new Set(OTHER_VARIABLES);
  for (const name of SETTING_NAMES) {
    const variable = environmentVariableOf(name);
    known.add(variable);
    const text = environment[variable];
    if (text !== undefined) collector.putText(name, text, 'environment', variable);
  }
  for (const variable of Object.keys(environment)) {
    if (variable.startsWith('QUORATE_') && !known.has(variable)) {
      collector.warnings.push(`the environment variable ${variable} is no setting and is ignored`);
    }
  }
}

function readStored(stored: SettingsText | null, collector: Collector): Map<SettingName, unknown> {
  const values = new Map<SettingName, unknown>();
  if (!stored) return values;
  let tree: { format?: unknown; settings?: unknown } | null;
  try {
    tree = JSON.parse(stored.text) as typeof tree;
  } catch {
    tree = null;
  }
  if (
    typeof tree !== 'object' ||
    tree === null ||
    typeof tree.settings !== 'object' ||
    tree.settings === null
  ) {
    collector.problems.push(`${stored.name}: damaged; remove it and give the settings as flags again`);
    return values;
  }
  if (tree.format !== STORED_FORMAT) {
    collector.problems.push(
      `${stored.name}: format ${String(tree.format)} was written by a newer version; this one reads format ${STORED_FORMAT}`,
    );
    return values;
  }
  for (const [name, value] of Object.entries(tree.settings)) if (isSettingName(name)) values.set(name, value);
  return values;
}

function encodeStored(
  settings: NodeSettings,
  stored: ReadonlyMap<SettingName, unknown>,
  flags: ReadonlyMap<SettingName, string>,
): string {
  const kept: Record<string, unknown> = {};
  for (const name of SETTING_NAMES) {
    if (name === 'data') continue;
    if (flags.has(name)) kept[name] = settingOf(settings, name);
    else if (stored.has(name)) kept[name] = stored.get(name);
  }
  return `${JSON.stringify({ format: STORED_FORMAT, settings: kept }, null, 2)}\n`;
}

function deriveAddresses(collector: Collector): void {
  const grpc = collector.given.get('grpc');
  if (!grpc || !nodeSettingsSchema.shape.grpc.safeParse(grpc.value).success) return;
  for (const listener of LISTENERS) {
    if (listener === 'grpc' || collector.given.has(listener)) continue;
    const address = deriveAddress(String(grpc.value), listener);
    if (address === null) {
      collector.problems.push(
        `${listener}: no port follows from grpc ${String(grpc.value)}; give --${flagOf(listener)} HOST:PORT`,
      );
    } else {
      collector.put(listener, address, 'derived', `follows from grpc ${String(grpc.value)}`);
    }
  }
}

function validate(collector: Collector): NodeSettings | null {
  const values = new Map([...collector.given].map(([name, given]) => [name, given.value]));
  const result = nodeSettingsSchema.safeParse(nestSettings(values));
  if (result.success) return result.data;
  for (const issue of result.error.issues) {
    const path = issue.path.filter((part) => typeof part === 'string').join('.');
    const given = isSettingName(path) ? collector.given.get(path) : undefined;
    const got = given ? `, got ${JSON.stringify(given.value)}` : '';
    collector.problems.push(`${path}${given ? ` (${given.by})` : ''}: ${plain(issue.message)}${got}`);
  }
  return null;
}

/** Drops the validator's "Too small: " and the like: what is expected follows. */
function plain(message: string): string {
  return message.replace(/^[A-Z][a-z ]+: (?=expected)/, '');
}

function checkTogether(settings: NodeSettings): string[] {
  const problems: string[] = [];
  if (settings.raft.heartbeatTicks >= settings.raft.electionTicks) {
    problems.push(
      `raft.heartbeatTicks: expected less than raft.electionTicks (${settings.raft.electionTicks}), ` +
        `got ${settings.raft.heartbeatTicks}`,
    );
  }
  if (settings.single && settings.join.length > 0) {
    problems.push(
      'single: a node that founds its own cluster joins no other; give either --single or --join',
    );
  }
  return problems;
}

function originsOf(collector: Collector): ReadonlyMap<SettingName, SettingOrigin> {
  return new Map(SETTING_NAMES.map((name) => [name, collector.given.get(name)?.origin ?? 'default']));
}

function suggestion(name: string): string {
  const wanted = name.toLowerCase().replaceAll(/[^a-z]/g, '');
  const near = SETTING_NAMES.find((known) => {
    const plainName = known.toLowerCase().replaceAll(/[^a-z]/g, '');
    return plainName === wanted || known.split('.').at(-1)?.toLowerCase() === wanted;
  });
  return near ? `; did you mean ${near}?` : `; settings are ${SETTING_NAMES.join(', ')}`;
}
