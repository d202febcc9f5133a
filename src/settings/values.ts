/**
 * Settings as text and as trees: what a flag or an environment variable says becomes a value, and flat dotted names
 * become the nested object that the schema validates. Nothing here decides what is allowed; the schema does.
 */
import { isSettingName, SETTINGS } from './names.js';
import type { SettingName } from './names.js';
import { splitListeners } from './resp-listeners.js';

export type Parsed =
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly expected: string };

const BYTE_UNITS: Readonly<Record<string, number>> = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** One setting as given in a flag or in the environment. */
export function parseSettingText(name: SettingName, text: string): Parsed {
  switch (SETTINGS[name].kind) {
    case 'text':
      return { ok: true, value: text };
    case 'list':
      return { ok: true, value: splitList(text) };
    case 'listeners':
      return { ok: true, value: splitListeners(text) };
    case 'boolean':
      if (text === 'true' || text === 'false') return { ok: true, value: text === 'true' };
      return { ok: false, expected: 'true or false' };
    case 'integer':
      return parseInteger(name, text);
    case 'number':
      if (/^\d+(\.\d+)?$/.test(text)) return { ok: true, value: Number(text) };
      return { ok: false, expected: 'a number' };
  }
}

function parseInteger(name: SettingName, text: string): Parsed {
  const isBytes = /Bytes(Max)?$/.test(name);
  const match = /^(-?\d+)(KiB|MiB|GiB)?$/.exec(text);
  const unit = match?.[2];
  if (!match || (unit !== undefined && !isBytes)) {
    return {
      ok: false,
      expected: isBytes ? 'a whole number of bytes, or one with KiB, MiB or GiB' : 'a whole number',
    };
  }
  return { ok: true, value: Number(match[1]) * (unit === undefined ? 1 : (BYTE_UNITS[unit] ?? 1)) };
}

export function splitList(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

export type FlatSettings = ReadonlyMap<SettingName, unknown>;

/** A tree as read from a file, by dotted names. Names that are no settings are told apart, not dropped. */
export function flattenSettings(tree: unknown): { known: Map<SettingName, unknown>; unknown: string[] } {
  const known = new Map<SettingName, unknown>();
  const unknown: string[] = [];
  const visit = (value: unknown, path: string): void => {
    if (isSettingName(path)) {
      const isListText = SETTINGS[path].kind === 'list' && typeof value === 'string';
      known.set(path, isListText ? splitList(value) : value);
    } else if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      for (const [key, inner] of Object.entries(value)) visit(inner, path === '' ? key : `${path}.${key}`);
    } else {
      unknown.push(path);
    }
  };
  visit(tree ?? {}, '');
  return { known, unknown };
}

/** The nested object for the schema. */
export function nestSettings(flat: FlatSettings): Record<string, unknown> {
  const tree: Record<string, unknown> = {};
  for (const [name, value] of flat) {
    const dot = name.indexOf('.');
    if (dot < 0) {
      tree[name] = value;
      continue;
    }
    const section = name.slice(0, dot);
    const inner = (tree[section] ??= {}) as Record<string, unknown>;
    inner[name.slice(dot + 1)] = value;
  }
  return tree;
}

/** The value of one setting in a validated tree. */
export function settingOf(tree: Readonly<Record<string, unknown>>, name: SettingName): unknown {
  let value: unknown = tree;
  for (const part of name.split('.')) value = (value as Record<string, unknown>)[part];
  return value;
}
