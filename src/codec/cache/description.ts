/**
 * Messages described by a table (field number, name, type), and what follows from the table: writing and reading them
 * as plain objects. For everything but the operations of batches and streams, which have readers of their own.
 *
 * As proto3 says: a field at its zero value is not written, an unset one reads as zero; of a field that comes twice
 * the last one counts, parts merge and lists go on; unknown fields are skipped. Tables list fields in the order of
 * their numbers, which is the order in which they are written.
 */
import { assert } from '../../base/index.js';
import { MalformedMessage } from './malformed-message.js';
import { WireReader } from './wire-reader.js';
import { WireType, WireWriter } from './wire-writer.js';

/** More items in one list are refused: each costs an object, which may be larger than its bytes. */
export const LIST_ITEMS_MAX = 65_536;

export interface FieldType<T> {
  /** What an unset field reads as. */
  zero(): T;
  /** Writes the field with its tag; nothing for zero. */
  write(w: WireWriter, field: number, value: T): void;
  /** Reads one occurrence of the field, behind its tag. `before` is what the message said so far. */
  read(r: WireReader, wireType: number, before: T): T;
}

type FieldTable<T> = { readonly [K in keyof T]: readonly [field: number, type: FieldType<T[K]>] };

interface NamedField {
  readonly name: string;
  readonly field: number;
  readonly type: FieldType<unknown>;
}

export class MessageDescription<T extends object> {
  private readonly fields: readonly NamedField[];
  private readonly byNumber: (NamedField | undefined)[] = [];

  constructor(table: FieldTable<T>) {
    this.fields = Object.entries(table).map(([name, row]) => {
      const [field, type] = row as readonly [number, FieldType<unknown>];
      return { name, field, type };
    });
    for (const field of this.fields) {
      assert(field.field >= this.byNumber.length, `field ${field.name} is out of order`);
      this.byNumber[field.field] = field;
    }
  }

  /** An object with every field at zero. */
  create(): T {
    const target: Record<string, unknown> = {};
    for (const { name, type } of this.fields) target[name] = type.zero();
    return target as T;
  }

  /** Puts every field of an object of ours to zero. */
  clear(target: T): void {
    const slots = target as Record<string, unknown>;
    for (const { name, type } of this.fields) slots[name] = type.zero();
  }

  /** Reads up to the reader's end, on top of what `target` holds. */
  readInto(target: T, r: WireReader): void {
    const slots = target as Record<string, unknown>;
    while (!r.atEnd) {
      const tag = r.tag();
      const field = this.byNumber[tag >>> 3];
      if (field === undefined) r.skip(tag);
      else slots[field.name] = field.type.read(r, tag & 7, slots[field.name]);
    }
  }

  /** Writes the fields, without a length before them. Missing ones are zero. */
  writeFields(w: WireWriter, value: Readonly<Partial<T>>): void {
    const slots = value as Readonly<Record<string, unknown>>;
    for (const { name, field, type } of this.fields) {
      const slot = slots[name];
      if (slot !== undefined) type.write(w, field, slot);
    }
  }

  /** Missing fields are zero. Numbers out of range fail an assertion. */
  encode(value: Readonly<Partial<T>>): Uint8Array {
    const w = new WireWriter(256);
    this.writeFields(w, value);
    return w.handOver();
  }

  /** Bytes fields are views of `bytes`. Throws `MalformedMessage`. */
  decode(bytes: Uint8Array): T {
    const target = this.create();
    this.readInto(target, new WireReader().reset(bytes));
    return target;
  }
}

/** A field's wire type is part of its meaning: another one is refused, not skipped. */
function expectWireType(expected: number, found: number, r: WireReader): void {
  if (found !== expected)
    throw new MalformedMessage(`wire type ${found} before ${r.position}, not ${expected}`);
}

function scalar<T>(
  zero: T,
  wireType: number,
  isZero: (value: T) => boolean,
  put: (w: WireWriter, value: T) => void,
  get: (r: WireReader) => T,
): FieldType<T> {
  return {
    zero: () => zero,
    write(w, field, value) {
      if (isZero(value)) return;
      w.tag(field, wireType);
      put(w, value);
    },
    read(r, found) {
      expectWireType(wireType, found, r);
      return get(r);
    },
  };
}

/** Also for enums: values that this version does not know pass through. */
export const UINT32 = scalar<number>(
  0,
  WireType.varint,
  (value) => value === 0,
  (w, value) => w.uint32(value),
  (r) => r.uint32(),
);

/** At most 2^53 - 1. */
export const UINT64 = scalar<number>(
  0,
  WireType.varint,
  (value) => value === 0,
  (w, value) => w.uint64(value),
  (r) => r.uint64(),
);

/** A number where that is exact, else a bigint. */
export const SINT64 = scalar<number | bigint>(
  0,
  WireType.varint,
  (value) => value === 0 || value === 0n,
  (w, value) => w.sint64(value),
  (r) => r.sint64(),
);

export const BOOL = scalar<boolean>(
  false,
  WireType.varint,
  (value) => !value,
  (w) => w.u8(1),
  (r) => r.bool(),
);

export const STRING = scalar<string>(
  '',
  WireType.bytes,
  (value) => value === '',
  (w, value) => w.text(value),
  (r) => r.text(),
);

export const BYTES = scalar<Uint8Array>(
  new Uint8Array(0),
  WireType.bytes,
  (value) => value.length === 0,
  (w, value) => w.delimited(value),
  (r) => r.view(),
);

function writeNested<T extends object>(
  w: WireWriter,
  field: number,
  of: MessageDescription<T>,
  value: Readonly<Partial<T>>,
): number {
  w.tag(field, WireType.bytes);
  const bodyAt = w.openNested();
  of.writeFields(w, value);
  const body = w.length - bodyAt;
  w.closeNested(bodyAt);
  return body;
}

function readNested<T extends object>(r: WireReader, found: number, of: MessageDescription<T>, into: T): T {
  expectWireType(WireType.bytes, found, r);
  const outerEnd = r.enter();
  of.readInto(into, r);
  r.leave(outerEnd);
  return into;
}

/** A message for which unset and all zero are the same: it reads as an object always, and is not written if empty. */
export function part<T extends object>(of: MessageDescription<T>): FieldType<T> {
  return {
    zero: () => of.create(),
    write(w, field, value) {
      const before = w.length;
      if (writeNested(w, field, of, value) === 0) w.length = before;
    },
    read: (r, found, before) => readNested(r, found, of, before),
  };
}

export function listOf<T extends object>(of: MessageDescription<T>): FieldType<readonly T[]> {
  return {
    zero: () => [],
    write(w, field, value) {
      for (const item of value) writeNested(w, field, of, item);
    },
    read: (r, found, before) => push(before, readNested(r, found, of, of.create())),
  };
}

export const LIST_OF_BYTES: FieldType<readonly Uint8Array[]> = {
  zero: () => [],
  write(w, field, value) {
    for (const item of value) {
      w.tag(field, WireType.bytes);
      w.delimited(item);
    }
  },
  read(r, found, before) {
    expectWireType(WireType.bytes, found, r);
    return push(before, r.view());
  },
};

/** Written packed; read packed or not, as protobuf demands. */
export const LIST_OF_UINT32: FieldType<readonly number[]> = {
  zero: () => [],
  write(w, field, value) {
    if (value.length === 0) return;
    w.tag(field, WireType.bytes);
    const bodyAt = w.openNested();
    for (const item of value) w.uint32(item);
    w.closeNested(bodyAt);
  },
  read(r, found, before) {
    if (found === WireType.varint) return push(before, r.uint32());
    expectWireType(WireType.bytes, found, r);
    const outerEnd = r.enter();
    let list = before;
    while (!r.atEnd) list = push(list, r.uint32());
    r.leave(outerEnd);
    return list;
  },
};

/** Appends to a list that `zero` made: nobody else has it yet. */
function push<T>(list: readonly T[], item: T): readonly T[] {
  if (list.length >= LIST_ITEMS_MAX)
    throw new MalformedMessage(`more than ${LIST_ITEMS_MAX} items in a list`);
  (list as T[]).push(item);
  return list;
}
