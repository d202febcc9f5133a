/**
 * Readers of change feeds in a simulated cluster, two for each shard. Each has one position, goes with it from node to
 * node as they live and die, and keeps a copy by the events alone (feed-follower.ts says what it refuses). Wherever one
 * reads to the end its copy must be the replica's state; an event must be the same at whichever replica it is read; and
 * whoever waits must be called when there is more.
 *
 * They run between events, outside the loop: a run is the same with them and without.
 */
import { must, type GroupId, type Prng } from '../../src/base/index.js';
import type { FeedDesk } from '../../src/group/index.js';
import type { Node } from '../../src/node/api.js';
import { FeedViolation } from '../support/feed-copy.js';
import { FeedFollower } from '../support/feed-follower.js';
import type { Marks } from './marks.js';
import type { SimCluster } from './world/cluster.js';

const READERS_OF_A_SHARD = 2;
const MOVE_CHANCE = 0.02;
/** Without this some hurry behind, and others are always at the end. */
const READ_CHANCE = 0.4;
const VERIFY_CHANCE = 0.1;
const STEPS_MAX = 20;
const BYTES_MAX = [1, 100, 1000, 100_000];
/** Of a shard, to compare what replicas tell. */
const EVENTS_KEPT = 4000;

/** What was told of one shard. */
class ToldEvents {
  private readonly texts = new Map<number, string>();

  constructor(private readonly group: GroupId) {}

  note(version: number, text: string): void {
    const known = this.texts.get(version);
    if (known === undefined) this.texts.set(version, text);
    else if (known !== text)
      throw new FeedViolation(
        `shard ${this.group}: event ${version} is ${text} here, and ${known} elsewhere`,
      );
    this.texts.delete(version - EVENTS_KEPT);
  }
}

class ShardReader {
  readonly follower = new FeedFollower();
  node: Node | null = null;
  desk: FeedDesk | null = null;
  moves = 0;

  constructor(
    readonly group: GroupId,
    told: ToldEvents,
  ) {
    this.follower.copy.onEvent = (version, text) => told.note(version, text);
  }

  goTo(node: Node, desk: FeedDesk): void {
    this.node = node;
    this.desk = desk;
    this.follower.attach(desk);
    this.moves++;
  }
}

export class FeedReaders {
  private readonly readers: ShardReader[] = [];

  constructor(
    private readonly cluster: SimCluster,
    private readonly marks: Marks,
    private readonly prng: Prng,
  ) {
    for (let group = 1; group <= cluster.options.shards; group++) {
      const told = new ToldEvents(group);
      for (let i = 0; i < READERS_OF_A_SHARD; i++) this.readers.push(new ShardReader(group, told));
    }
  }

  get events(): number {
    return this.readers.reduce((sum, { follower }) => sum + follower.copy.events, 0);
  }

  get moves(): number {
    return this.readers.reduce((sum, { moves }) => sum + moves, 0);
  }

  poll(): void {
    const { prng } = this;
    for (const reader of this.readers) {
      if (!this.isThere(reader) || prng.chance(MOVE_CHANCE)) this.move(reader);
      if (reader.desk !== null && prng.chance(READ_CHANCE)) this.read(reader);
    }
  }

  /** Whose reader is not at the end yet; null when all of them are, and hold their replicas' states. */
  missing(): string | null {
    for (const reader of this.readers) {
      const { follower, group } = reader;
      if (!this.isThere(reader)) this.move(reader);
      if (reader.desk === null) {
        if (this.desks(group).length > 0) return `a reader of shard ${group} has no replica`;
        continue;
      }
      this.read(reader);
      // A suspect replica tells nothing, and one that ended neither.
      if (follower.last === 'unavailable') this.move(reader);
      if (follower.last !== 'end' || follower.isDue)
        return `a reader of shard ${group} is at ${JSON.stringify(follower.copy.position)}: ${follower.last}`;
      follower.verify();
    }
    return null;
  }

  private read(reader: ShardReader): void {
    const { prng, marks } = this;
    const { follower } = reader;
    if (follower.isForgotten)
      throw new FeedViolation(`shard ${reader.group}: there is more, and the reader was not called`);
    for (let left = STEPS_MAX; left > 0 && follower.isDue; left--) follower.step(prng.pick(BYTES_MAX));
    if (follower.last === 'ahead') marks.hit('feed_ahead');
    if (follower.last === 'end' && prng.chance(VERIFY_CHANCE)) follower.verify();
  }

  private move(reader: ShardReader): void {
    const places = this.desks(reader.group);
    if (!this.isThere(reader)) {
      reader.follower.forget();
      reader.node = reader.desk = null;
    }
    if (places.length === 0) return;
    const { node, desk } = this.prng.pick(places);
    reader.goTo(node, desk);
  }

  private desks(group: GroupId): { node: Node; desk: FeedDesk }[] {
    return this.cluster.machines.flatMap(({ life }) => {
      const desk = life?.node.feed(group) ?? null;
      return desk === null ? [] : [{ node: must(life, 'life').node, desk }];
    });
  }

  /** The same replica in the same life. */
  private isThere({ node, desk, group }: ShardReader): boolean {
    if (node === null) return false;
    const isAlive = this.cluster.machines.some(({ life }) => life?.node === node);
    return isAlive && node.feed(group) === desk;
  }
}
