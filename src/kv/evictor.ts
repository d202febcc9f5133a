/**
 * Chooses who goes when a shard needs room. A hand goes round the pages of the table, each a sample of about 40 items;
 * on each page the items whose score is among the lowest twentieth of the shard's go. What a score is, the policy says
 * (`ranking.ts`). No part of the replicated state: it sees the reads of its replica, and what it chooses becomes a
 * command in the log.
 *
 * It keeps next to nothing until it is first asked, or first told of another replica's reads: then memory of about 4
 * bytes an item, following their number. Work is bounded: pages and items looked at in one call.
 */
import { chargeOf } from './charge.js';
import { FrequencyRanking } from './frequency-ranking.js';
import { Item } from './item.js';
import { NamedItems } from './named-items.js';
import type { Ranking } from './ranking.js';
import { RecencyRanking } from './recency-ranking.js';
import { SCORE_LIMIT, ScoreScale } from './score-scale.js';
import type { ItemName } from './table.js';
import { learnTouches, TouchFrames, type SweepSource } from './touch-frames.js';

/** `none`: nothing goes, writes are refused. */
export type EvictionPolicy = 'none' | 'lru' | 's3fifo';

/** Where the items are: the shard's table. */
export type EvictionSource = SweepSource;

export interface Evictor {
  /** What it keeps, in bytes, but for a few KiB. */
  readonly memoryBytes: number;
  /** A read at this replica, also of an absent key. */
  onRead(hash: number, hit: boolean): void;
  /** An applied write. */
  onWrite(hash: number, isNew: boolean): void;
  /**
   * Names living items, worst first, whose charges sum to at least `chargeMin`, or `countMax` of them; bounded work a
   * call, so perhaps fewer. Returns the charge named. What is named is taken to be on its way out, and not named again
   * soon.
   */
  choose(chargeMin: number, countMax: number, into: ItemName[]): number;
  /** For the other replicas, at most `countMax` words (`touch-frames.ts`); empty while nothing is known. */
  takeTouches(countMax: number): Uint32Array;
  /** What another replica's `takeTouches` gave. */
  onTouches(words: Uint32Array): void;
}

/** The share of a page's items that go when the hand comes by; more when much room is wanted at once. */
const SHARE = 0.05;
const SHARE_MAX = 0.5;
/** Pages looked at in one call, each of about 40 items. */
const PAGES_MAX = 128;
/** Items named by a call that found too few so, each the lowest of its page. */
const MORE_MAX = 64;
/** Items of one page that are ranked: as many as a page has, unless hashes collide. */
const PAGE_ITEMS_MAX = 512;
/** Named ahead, to be given out by the next calls; dropped when so many reads and writes came in between. */
const STALE_EVENTS = 4096;

export function createEvictor(
  policy: Exclude<EvictionPolicy, 'none'>,
  source: EvictionSource,
  seed: number,
): Evictor {
  return new HandEvictor(policy, source, seed);
}

class HandEvictor implements Evictor {
  private ranking: Ranking | null = null;
  private touches: TouchFrames | null = null;
  private readonly item = new Item();
  private cursor = 0;
  private highestVersion = 0;
  private events = 0;
  /** Mean of the charges looked at; 0 before the first. */
  private meanCharge = 0;

  private readonly scale = new ScoreScale();
  private readonly named = new NamedItems();
  /** The page under the hand. */
  private count = 0;
  private readonly hashes = new Uint32Array(PAGE_ITEMS_MAX);
  private readonly versions = new Float64Array(PAGE_ITEMS_MAX);
  private readonly charges = new Float64Array(PAGE_ITEMS_MAX);
  private readonly scores = new Float64Array(PAGE_ITEMS_MAX);
  private readonly visit = (): void => this.look();

  /** Places on the page of those who go, from `nextSpare` on. */
  private readonly spares: number[] = [];
  private nextSpare = 0;
  /** The part of an item that the pages so far owe. */
  private carry = 0;

  constructor(
    private readonly policy: Exclude<EvictionPolicy, 'none'>,
    private readonly source: EvictionSource,
    private readonly seed: number,
  ) {}

  get memoryBytes(): number {
    return this.ranking === null ? 0 : this.ranking.memoryBytes;
  }

  onRead(hash: number, hit: boolean): void {
    this.events++;
    if (this.ranking === null) return;
    this.ranking.onRead(hash, hit);
    (this.touches as TouchFrames).onRead(hash, hit);
  }

  onWrite(hash: number, isNew: boolean): void {
    this.events++;
    if (this.ranking !== null) this.ranking.onWrite(hash, isNew);
  }

  choose(chargeMin: number, countMax: number, into: ItemName[]): number {
    const { source } = this;
    if (source.itemCount === 0 || chargeMin <= 0 || countMax <= 0) return 0;
    this.begin().fit(source.itemCount);
    if (this.events > STALE_EVENTS) this.spares.length = this.nextSpare = 0;
    this.events = 0;

    const first = into.length;
    const wanted = this.meanCharge === 0 ? 1 : Math.min(countMax, chargeMin / this.meanCharge);
    const share = Math.min(SHARE_MAX, Math.max(SHARE, wanted / (PAGES_MAX * 20)));
    let charge = 0;
    for (let pages = 0; ;) {
      charge += this.giveSpares(chargeMin - charge, countMax - (into.length - first), into);
      if (charge >= chargeMin || into.length - first >= countMax) return charge;
      if (pages++ === PAGES_MAX) break;
      this.turn(share);
    }
    for (let more = 0; more < MORE_MAX && charge < chargeMin && into.length - first < countMax; more++) {
      const found = this.nameAnyone(into);
      if (found === 0) break;
      charge += found;
    }
    // Those that were named are still there: whoever named them lost the leadership, or their command.
    if (into.length === first) this.named.clear();
    return charge;
  }

  takeTouches(countMax: number): Uint32Array {
    if (this.ranking === null) return new Uint32Array(0);
    return (this.touches as TouchFrames).take(countMax, this.ranking);
  }

  onTouches(words: Uint32Array): void {
    if (words.length === 0 || this.source.itemCount === 0) return;
    learnTouches(words, this.begin());
  }

  private begin(): Ranking {
    if (this.ranking !== null) return this.ranking;
    const { itemCount } = this.source;
    this.touches = new TouchFrames(this.source);
    this.ranking =
      this.policy === 'lru' ? new RecencyRanking(itemCount) : new FrequencyRanking(itemCount, this.seed);
    return this.ranking;
  }

  private giveSpares(chargeMin: number, countMax: number, into: ItemName[]): number {
    let charge = 0;
    let count = 0;
    while (this.nextSpare < this.spares.length && charge < chargeMin && count < countMax) {
      const i = this.spares[this.nextSpare++] as number;
      const version = this.versions[i] as number;
      into.push({ hash: this.hashes[i] as number, version });
      this.named.add(version);
      charge += this.charges[i] as number;
      count++;
    }
    return charge;
  }

  /** Moves the hand by a page, and marks as spares those that go, the lowest first. */
  private turn(share: number): void {
    this.count = 0;
    this.spares.length = this.nextSpare = 0;
    this.cursor = this.source.sweep(this.cursor, this.item, this.visit);
    const { scale, scores, spares } = this;
    scale.cut(share);
    let most = this.carry;
    for (let i = 0; i < this.count; i++) {
      const score = scores[i] as number;
      if (score < scale.below) most++;
      else if (score < scale.upTo) most += scale.part;
    }
    this.carry = most - Math.floor(most);
    while (spares.length < Math.floor(most)) {
      const lowest = this.lowest();
      if (lowest < 0) return;
      scores[lowest] = SCORE_LIMIT;
      spares.push(lowest);
    }
  }

  /** One item under the hand. */
  private look(): void {
    const { item } = this;
    if (this.count === PAGE_ITEMS_MAX || this.named.has(item.version)) return;
    const i = this.count++;
    if (item.version > this.highestVersion) this.highestVersion = item.version;
    const score = (this.ranking as Ranking).score(item, this.youthOf(item.version));
    const charge = chargeOf(item.keyEnd - item.keyStart, item.valueEnd - item.valueStart);
    this.hashes[i] = item.hash;
    this.versions[i] = item.version;
    this.charges[i] = charge;
    this.scores[i] = score;
    this.scale.add(score);
    this.meanCharge += this.meanCharge === 0 ? charge : (charge - this.meanCharge) / 64;
  }

  /** Half when as many items came since as there are: a version for each, and one for who went. */
  private youthOf(version: number): number {
    const turnover = 2 * this.source.itemCount;
    return turnover / (turnover + this.highestVersion - version);
  }

  private lowest(): number {
    const { scores } = this;
    let lowest = -1;
    let score = SCORE_LIMIT;
    for (let i = 0; i < this.count; i++) {
      if ((scores[i] as number) >= score) continue;
      score = scores[i] as number;
      lowest = i;
    }
    return lowest;
  }

  /** Too few were among the lowest: then the lowest of a page that is not on its way out goes, whoever it is. */
  private nameAnyone(into: ItemName[]): number {
    for (let pages = 0; pages < PAGES_MAX; pages++) {
      this.turn(0);
      const lowest = this.spares.length > 0 ? (this.spares[0] as number) : this.lowest();
      if (lowest < 0) continue;
      this.spares.length = 0;
      this.spares.push(lowest);
      return this.giveSpares(1, 1, into);
    }
    return 0;
  }
}
