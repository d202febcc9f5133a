/**
 * A reader of a change feed as a near cache would be: it keeps a copy of the items by the events alone, each with the
 * value that is there when the event is read, and refuses what no feed may tell: a gap, a repetition, a change of what is
 * not there.
 */
import { ByteReader } from '../../src/base/index.js';
import {
  EventKind,
  FEED_START,
  FeedEvents,
  Item,
  type FeedAnswer,
  type FeedPosition,
} from '../../src/kv/index.js';

export class FeedViolation extends Error {
  override readonly name = 'FeedViolation';
}

export type ItemOf = (hash: number, version: number, into: Item) => boolean;

/** Items by key, each as text: version, expiry and value. */
export type Items = Map<string, string>;

const CHUNK_ITEMS = 2;
/** Of an item that a later change took the place of, which an event must tell, too. */
const REPLACED = 'replaced by ';

export class FeedCopy {
  items: Items = new Map();
  position: FeedPosition = FEED_START;
  /** All of the position's entry was told: the copy is the state there. */
  isWhole = true;
  events = 0;
  /**
   * Up to this entry the copy may lack values: of what a later change had replaced where it read, it has the version
   * alone until it comes to that change.
   */
  owesUpTo = 0;
  /** Told of each event, as text. */
  onEvent: ((version: number, text: string) => void) | null = null;
  private readonly item = new Item();
  private readonly reader = new FeedEvents();

  /** Goes on from a state that was taken. */
  restart(position: FeedPosition, items: Items): void {
    this.position = position;
    this.items = new Map(items);
    this.isWhole = true;
    this.owesUpTo = position.index;
  }

  /** Takes what was read from its position on. */
  take(answer: FeedAnswer, bytes: Uint8Array, start: number, end: number, itemOf: ItemOf): void {
    if (answer.kind !== 'changes' && answer.kind !== 'end') {
      refuseIf(end > start, `${answer.kind}, and bytes with it`);
      return;
    }
    const { reader } = this;
    let { version } = this.position;
    reader.reset(bytes, start, end);
    while (reader.next()) {
      refuseIf(reader.version !== version + 1, `event ${reader.version} after ${version}`);
      version = reader.version;
      this.events++;
      if (this.apply(itemOf) || answer.kind === 'end') continue;
      this.owesUpTo = Math.max(this.owesUpTo, answer.newest.index);
    }
    const { next } = answer;
    refuseIf(next.version !== version, `events up to ${version}, a position of ${next.version}`);
    refuseIf(next.index < this.position.index, `from entry ${this.position.index} back to ${next.index}`);
    refuseIf(next.term < this.position.term, `from term ${this.position.term} back to ${next.term}`);
    refuseIf((answer.kind === 'end') !== (end === start), `${answer.kind} with ${end - start} bytes`);
    this.position = next;
    this.isWhole = answer.kind === 'end' || answer.isWhole;
  }

  /** What differs from the state at this copy's position; null when nothing does. */
  differenceFrom(state: Items): string | null {
    const owes = this.position.index < this.owesUpTo;
    for (const [key, item] of state) {
      const own = this.items.get(key);
      if (own === item || (owes && own === REPLACED + item.slice(0, item.indexOf(' ')))) continue;
      return `${show(key)}: copy ${own ?? 'none'}, state ${item}`;
    }
    for (const key of this.items.keys()) if (!state.has(key)) return `${show(key)} is not in the state`;
    return null;
  }

  /** False where the value is not to be had any more. */
  private apply(itemOf: ItemOf): boolean {
    const { reader, items, item } = this;
    const { kind, version } = reader;
    const key = latin1(reader.keyBytes, reader.keyStart, reader.keyEnd);
    this.onEvent?.(version, `${kind} ${reader.hash} ${key}`);
    switch (kind) {
      case EventKind.set:
      case EventKind.expiry: {
        refuseIf(kind === EventKind.expiry && !items.has(key), `expiry of ${show(key)}, which is not there`);
        if (!itemOf(reader.hash, version, item)) {
          items.set(key, REPLACED + version);
          return false;
        }
        refuseIf(
          latin1(item.keyBytes, item.keyStart, item.keyEnd) !== key,
          `${show(key)} names another item`,
        );
        items.set(key, showItem(item));
        return true;
      }
      case EventKind.deleted:
      case EventKind.expired:
      case EventKind.evicted:
        refuseIf(!items.delete(key), `${show(key)} goes, and is not there`);
        return true;
      case EventKind.flushed:
        refuseIf(key !== '', 'a key was flushed');
        items.clear();
        return true;
      default:
        throw new FeedViolation(`event of kind ${String(kind)}`);
    }
  }
}

/** The items in the chunks of a shard's snapshot. */
export function itemsIn(chunks: Iterable<Uint8Array>): Items {
  const items: Items = new Map();
  const item = new Item();
  for (const chunk of chunks) {
    const reader = new ByteReader(chunk);
    if (reader.u8() !== CHUNK_ITEMS) continue;
    while (reader.remaining > 0) {
      item.version = reader.u64();
      item.expiryMs = reader.u64();
      const keyLength = reader.u16();
      const valueLength = reader.u32();
      const at = reader.position;
      reader.skip(keyLength + valueLength);
      item.setValue(chunk, at + keyLength, at + keyLength + valueLength);
      items.set(latin1(chunk, at, at + keyLength), showItem(item));
    }
  }
  return items;
}

function showItem({ version, expiryMs, valueBytes, valueStart, valueEnd }: Item): string {
  return `${version} ${expiryMs} ${latin1(valueBytes, valueStart, valueEnd)}`;
}

function show(key: string): string {
  return JSON.stringify(key);
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  let text = '';
  for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i] as number);
  return text;
}

function refuseIf(condition: boolean, what: string): void {
  if (condition) throw new FeedViolation(what);
}
