/**
 * Streams of keys for `npm run bench:hitrate`: numbers, the same for every cache by the same seed, and with each the
 * best that any fixed choice of keys to hold could hit.
 */
import { Prng } from '../../../src/base/index.js';

export interface Stream {
  next(): number;
  /** Share of hits, in percent, of a cache that always holds the keys asked for most often. */
  readonly optimum: number;
  /** From here on it counts: where the optimum depends on which part of the stream is looked at. */
  begin?(): void;
}

export interface StreamKind {
  readonly name: string;
  /** What it is, in a few words. */
  readonly about: string;
  /** Within how many points of the static optimum Quorate is to be; null where that is no fair measure. */
  readonly gapMax: number | null;
  create(keys: number, room: number, seed: number): Stream;
}

/** Numbers 0 to n - 1, number k with a weight of 1 / (k + 1)^s, by rejection-inversion (Hörmann and Derflinger, 1996). */
export function zipf(n: number, s: number, prng: Prng): () => number {
  const integral = (x: number): number => (x ** (1 - s) - 1) / (1 - s);
  const inverse = (u: number): number => (1 + u * (1 - s)) ** (1 / (1 - s));
  const low = integral(1.5) - 1;
  const high = integral(n + 0.5);
  const near = 2 - inverse(integral(2.5) - 2 ** -s);
  return () => {
    for (;;) {
      const u = high + prng.unit() * (low - high);
      const x = inverse(u);
      const k = Math.min(n, Math.max(1, Math.round(x)));
      if (k - x <= near || u >= integral(k + 0.5) - k ** -s) return k - 1;
    }
  };
}

/** Share of the requests, in percent, that go to the `room` most wanted of n keys. */
export function zipfOptimum(n: number, s: number, room: number): number {
  let held = 0;
  let all = 0;
  for (let k = 1; k <= n; k++) {
    const weight = k ** -s;
    all += weight;
    if (k <= room) held += weight;
  }
  return (100 * held) / all;
}

function zipfKind(s: number): StreamKind {
  return {
    name: `zipf ${s}`,
    about: `Zipf's law with exponent ${s}`,
    gapMax: 2,
    create: (keys, room, seed) => ({
      next: zipf(keys, s, new Prng(seed)),
      optimum: zipfOptimum(keys, s, room),
    }),
  };
}

const MIXED_EXPONENT = 0.99;

/** Every key in turn, again and again. */
const loop: StreamKind = {
  name: 'loop',
  about: 'all keys in turn, again and again',
  gapMax: null,
  create: (keys, room) => ({ next: walk(keys), optimum: (100 * room) / keys }),
};

const scan: StreamKind = {
  name: 'scan 25 %',
  about: 'Zipf 0.99, and each fourth request from a walk over all keys',
  gapMax: null,
  create: (keys, room, seed) => {
    const draw = zipf(keys, MIXED_EXPONENT, new Prng(seed));
    const step = walk(keys);
    let count = 0;
    return {
      next: () => ((count++ & 3) === 3 ? step() : draw()),
      optimum: 0.75 * zipfOptimum(keys, MIXED_EXPONENT, room) + (25 * room) / keys,
    };
  },
};

/** Keys of a burst are never asked for again. */
const bursts: StreamKind = {
  name: 'bursts',
  about: 'Zipf 0.99; after each 20 x the room a scan of 10 x the room of keys that come only once',
  gapMax: null,
  create: (keys, room, seed) => {
    const draw = zipf(keys, MIXED_EXPONENT, new Prng(seed));
    const drawn = zipfOptimum(keys, MIXED_EXPONENT, room);
    let fresh = keys;
    let at = 0;
    let draws = 0;
    let count = 0;
    return {
      next: () => {
        count++;
        if (at === 30 * room) at = 0;
        if (at++ >= 20 * room) return fresh++;
        draws++;
        return draw();
      },
      begin: () => {
        draws = count = 0;
      },
      get optimum() {
        return count === 0 ? 0 : (drawn * draws) / count;
      },
    };
  },
};

const MOVE_PER_KEY = 2;

/** What a fixed choice hits says nothing here: the optimum is that of each place of the hot set. */
const shifting: StreamKind = {
  name: 'shifting',
  about: 'Zipf 0.99, and the hot set moves away after each 2 requests for each key',
  gapMax: null,
  create: (keys, room, seed) => {
    const draw = zipf(keys, MIXED_EXPONENT, new Prng(seed));
    const distance = Math.ceil(keys / 7);
    let count = 0;
    return {
      next: () => (draw() + Math.floor(count++ / (MOVE_PER_KEY * keys)) * distance) % keys,
      optimum: zipfOptimum(keys, MIXED_EXPONENT, room),
    };
  },
};

export const STREAM_KINDS: readonly StreamKind[] = [
  zipfKind(0.8),
  zipfKind(0.99),
  zipfKind(1.1),
  zipfKind(1.2),
  loop,
  scan,
  bursts,
  shifting,
];

function walk(keys: number): () => number {
  let key = 0;
  return () => {
    const now = key++;
    if (key === keys) key = 0;
    return now;
  };
}
