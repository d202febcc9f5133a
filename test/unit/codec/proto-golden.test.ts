/**
 * Goal: a number or a type in the protos, once given, keeps its meaning for ever. Method: what test/golden/proto-v1.json
 * says of each field and enum value must be so; new ones may come, under numbers that were never used.
 */
import { readFileSync } from 'node:fs';
import { loadSync, type ServiceDefinition } from '@grpc/proto-loader';
import { describe, expect, it } from 'vitest';
import { protoFolder } from '../../../src/adapters/grpc-control-schema.js';

type Facts = Record<string, string>;

const golden = JSON.parse(
  readFileSync(new URL('../../golden/proto-v1.json', import.meta.url), 'utf8'),
) as Record<string, Facts>;

interface Descriptor {
  readonly name: string;
  readonly field?: readonly {
    readonly name: string;
    readonly number: number;
    readonly label: string;
    readonly type: string;
    readonly typeName: string;
  }[];
  readonly value?: readonly { readonly name: string; readonly number: number }[];
  readonly nestedType?: readonly Descriptor[];
  readonly enumType?: readonly Descriptor[];
}

/** `Message.field` and `Enum.VALUE`, each with what stands on the wire for it; calls with their paths. */
function factsOf(file: string): Facts {
  const facts: Facts = {};
  const visit = (within: string, type: Descriptor): void => {
    const name = `${within}${type.name}`;
    for (const field of type.field ?? []) {
      const what = `${field.number} ${field.label} ${field.type} ${field.typeName}`;
      facts[`${name}.${field.name}`] = what.trimEnd();
    }
    for (const value of type.value ?? []) facts[`${name}.${value.name}`] = String(value.number);
    for (const nested of [...(type.nestedType ?? []), ...(type.enumType ?? [])]) visit(`${name}.`, nested);
  };
  for (const [name, definition] of Object.entries(loadSync(file, { includeDirs: [protoFolder()] }))) {
    if (typeof definition.type === 'object') {
      visit('', definition.type as Descriptor);
      continue;
    }
    const service = name.replace('quorate.v1.', '');
    for (const [call, method] of Object.entries(definition as ServiceDefinition)) {
      const { path, requestType, responseType } = method;
      facts[`${service}.${call}`] = `${path} ${nameOf(requestType)} ${nameOf(responseType)}`;
    }
  }
  return facts;
}

function nameOf({ type }: { readonly type: object }): string {
  return (type as Descriptor).name;
}

describe.each(Object.keys(golden))('%s', (file) => {
  const facts = factsOf(file);

  it('still means what is pinned', () => {
    const pinned = golden[file] ?? {};
    expect(Object.fromEntries(Object.keys(pinned).map((name) => [name, facts[name]]))).toEqual(pinned);
    expect(Object.keys(pinned).length).toBeGreaterThan(50);
  });

  it('gives every field of a message its own number', () => {
    const seen = new Set<string>();
    for (const [name, what] of Object.entries(facts)) {
      if (!/^\d+ /.test(what)) continue;
      const place = `${name.slice(0, name.lastIndexOf('.'))} ${what.split(' ')[0] ?? ''}`;
      expect(seen.has(place), name).toBe(false);
      seen.add(place);
    }
  });
});
