/** Goal: a write that comes again in its session gets its reply and changes nothing; everything about it is bounded. */
import { describe, expect, it } from 'vitest';
import { SESSION_WINDOW } from '../../../src/kv/index.js';
import { KEPT_REPLIES_MAX, SESSIONS_MAX } from '../../../src/kv/sessions.js';
import { chunksOf, cmd, KvDriver, loadedFrom, applyTo, encodeEntry } from './kv-driver.js';

const incr = (sequence: number, lowestUnanswered = 1, key = 'n'): Uint8Array =>
  cmd.inSession(cmd.incrby(key, 1n), { sequence, lowestUnanswered });
const value = (d: KvDriver, key = 'n'): unknown => d.read(cmd.get(key));
const figures = (d: KvDriver): { sessions: number; sessionDuplicates: number } => {
  const { sessions, sessionDuplicates } = d.kv.figures();
  return { sessions, sessionDuplicates };
};

describe('a write that comes again', () => {
  it('gets the reply that it got, and changes nothing', () => {
    const d = new KvDriver();
    expect(d.run(incr(1))).toBe(1n);
    expect(d.run(incr(2))).toBe(2n);
    const before = d.kv.stateHash();
    expect(d.run(incr(1))).toBe(1n);
    expect(d.run(incr(2))).toBe(2n);
    expect(d.kv.stateHash()).toBe(before);
    expect(value(d)).toBe('$2');
    expect(figures(d)).toEqual({ sessions: 1, sessionDuplicates: 2 });
  });

  it('is found within one entry too, and under a version that the key had then', () => {
    const d = new KvDriver();
    const cas = cmd.inSession(cmd.cas('k', 0, 'mine'), { sequence: 1 });
    expect(d.apply(cas, cas, cmd.set('k', 'other'), cas)).toEqual([[1n, 1n], [1n, 1n], 'OK', [1n, 1n]]);
    expect(value(d, 'k')).toBe('$other');
  });

  it('gets a refusal of the state machine again, whatever has become of the key', () => {
    const d = new KvDriver();
    d.run(cmd.set('n', 'text'));
    expect(d.run(incr(1))).toBe('-notInteger');
    d.run(cmd.set('n', '5'));
    expect(d.run(incr(1))).toBe('-notInteger');
    expect(value(d)).toBe('$5');
  });

  it('gets the version with its reply when it asked for that', () => {
    const d = new KvDriver();
    const versioned = cmd.inSession(cmd.versioned(cmd.incrby('n', 3n)), { sequence: 1 });
    expect(d.run(versioned)).toEqual([3n, 1n]);
    expect(d.run(versioned)).toEqual([3n, 1n]);
  });

  it('is told that it was applied when its reply was too long to be kept', () => {
    const d = new KvDriver();
    d.run(cmd.set('k', 'v'.repeat(27)));
    const getDel = cmd.inSession(cmd.getDel('k'), { sequence: 1 });
    expect(d.run(getDel)).toBe('$' + 'v'.repeat(27));
    d.run(cmd.set('k', 'new'));
    expect(d.run(getDel)).toBe('-replyNotKept');
    expect(value(d, 'k')).toBe('$new');
    d.run(cmd.set('k', 'v'.repeat(26)));
    const short = cmd.inSession(cmd.getDel('k'), { sequence: 2 });
    expect(d.run(short)).toBe('$' + 'v'.repeat(26));
    expect(d.run(short)).toBe('$' + 'v'.repeat(26));
  });

  it('is another write in another session', () => {
    const d = new KvDriver();
    const other = { session: 78, sequence: 1 };
    expect(d.run(incr(1))).toBe(1n);
    expect(d.run(cmd.inSession(cmd.incrby('n', 1n), other))).toBe(2n);
    expect(figures(d).sessions).toBe(2);
  });
});

describe('sequences', () => {
  it('E109: of 5, 6 and 7 in flight 5 is lost and comes much later: each is applied once', () => {
    const d = new KvDriver();
    for (const sequence of [6, 7]) d.run(incr(sequence, 5));
    for (let sequence = 8; sequence < 8 + SESSION_WINDOW - 3; sequence++) d.run(incr(sequence, 5));
    expect(value(d)).toBe(`$${SESSION_WINDOW - 1}`);
    expect(d.run(incr(5, 5))).toBe(BigInt(SESSION_WINDOW));
    expect(d.run(incr(5, 5))).toBe(BigInt(SESSION_WINDOW));
    expect(d.run(incr(6, 5))).toBe(1n);
    expect(d.run(incr(7, 5))).toBe(2n);
    expect(value(d)).toBe(`$${SESSION_WINDOW}`);
  });

  it('E109: a full window refuses what is new, lets in what is known, and opens as answers are acknowledged', () => {
    const d = new KvDriver();
    for (let sequence = 1; sequence <= SESSION_WINDOW; sequence++) d.run(incr(sequence));
    const before = d.kv.stateHash();
    expect(d.run(incr(SESSION_WINDOW + 1))).toBe('-sessionsFull');
    expect(d.kv.stateHash()).toBe(before);
    expect(d.run(incr(1))).toBe(1n);
    expect(d.run(incr(SESSION_WINDOW + 1, 2))).toBe(BigInt(SESSION_WINDOW + 1));
  });

  it('below the lowest unanswered are applied no more, not even for the first time', () => {
    const d = new KvDriver();
    d.run(incr(1));
    d.run(incr(5, 4));
    expect(d.run(incr(1))).toBe('-sequenceAnswered');
    expect(d.run(incr(3))).toBe('-sequenceAnswered');
    expect(d.run(incr(4))).toBe(3n);
    expect(value(d)).toBe('$3');
  });

  it.each([
    ['no session', { session: 0, sequence: 1 }],
    ['no sequence', { sequence: 0, lowestUnanswered: 0 }],
    ['a lowest above its own', { sequence: 3, lowestUnanswered: 4 }],
  ])('with %s are malformed', (_what, fields) => {
    const d = new KvDriver();
    expect(d.run(cmd.inSession(cmd.incrby('n', 1n), fields))).toBe('-malformed');
    expect(value(d)).toBe(null);
  });

  it('of a read are ignored', () => {
    const d = new KvDriver();
    d.run(cmd.set('n', '1'));
    const read = cmd.inSession(cmd.get('n'), { sequence: 1 });
    expect(d.run(read)).toBe('$1');
    d.run(cmd.set('n', '2'));
    expect(d.run(read)).toBe('$2');
    expect(d.read(read)).toBe('$2');
    expect(figures(d).sessions).toBe(0);
  });
});

describe('a session', () => {
  it('E109: that ended between attempt and retry takes nothing any more', () => {
    const d = new KvDriver();
    expect(d.run(incr(1))).toBe(1n);
    d.nowMs = 1_599_999;
    expect(d.run(incr(1))).toBe(1n);
    d.nowMs = 1_600_000;
    expect(d.run(incr(1))).toBe('-sessionExpired');
    expect(d.run(incr(2))).toBe('-sessionExpired');
    expect(value(d)).toBe('$1');
    // The log's time does not go back, whatever the next leader's clock says.
    d.nowMs = 1_500_000;
    expect(d.run(incr(1))).toBe('-sessionExpired');
  });

  it('is dropped once the time of the log has passed its end, and leaves nothing in the hash', () => {
    const d = new KvDriver();
    const plain = new KvDriver();
    d.run(incr(1));
    plain.run(cmd.incrby('n', 1n));
    expect(d.kv.stateHash()).not.toBe(plain.kv.stateHash());
    for (const each of [d, plain]) {
      each.nowMs = 1_605_000;
      each.apply();
    }
    expect(figures(d).sessions).toBe(0);
    expect(d.kv.stateHash()).toBe(plain.kv.stateHash());
  });

  it('survives FLUSHALL', () => {
    const d = new KvDriver();
    d.run(incr(1));
    d.run(cmd.flush());
    expect(d.run(incr(1))).toBe(1n);
    expect(value(d)).toBe(null);
  });

  it.each([
    ['has ended before it was heard of', { grantedMs: 400_000 }],
    ['was granted far ahead of the time', { grantedMs: 1_000_000 + 60_001 }],
    ['would live too long', { lifetimeMs: 3_600_001 }],
  ])('does not open when it %s', (_what, fields) => {
    const d = new KvDriver();
    expect(d.run(cmd.inSession(cmd.incrby('n', 1n), { sequence: 1, ...fields }))).toBe('-sessionExpired');
    expect(figures(d).sessions).toBe(0);
  });

  it('of a number that was drawn twice is refused to the second', () => {
    const d = new KvDriver();
    d.run(incr(1));
    const twin = cmd.inSession(cmd.incrby('n', 1n), { sequence: 1, grantedMs: 1_000_001 });
    expect(d.run(twin)).toBe('-sessionExpired');
    expect(d.run(incr(1))).toBe(1n);
  });
});

describe('bounds of a shard', () => {
  it('E109: live sessions stay when another finds no room, and ended ones make some', () => {
    const d = new KvDriver();
    const open = (session: number, grantedMs = 1_000_000): Uint8Array =>
      cmd.inSession(cmd.set('k', 'v'), { session, sequence: 1, grantedMs });
    for (let session = 1; session <= SESSIONS_MAX; session++) d.run(open(session));
    expect(d.run(open(SESSIONS_MAX + 1))).toBe('-sessionsFull');
    expect(d.run(open(1))).toBe('OK');
    expect(figures(d)).toEqual({ sessions: SESSIONS_MAX, sessionDuplicates: 1 });
    d.nowMs = 1_605_000;
    expect(d.run(open(SESSIONS_MAX + 1, 1_600_000))).toBe('OK');
    expect(figures(d).sessions).toBe(1);
  });

  it('hold for the replies of all sessions together', () => {
    const d = new KvDriver();
    const sessions = KEPT_REPLIES_MAX / SESSION_WINDOW;
    for (let session = 1; session <= sessions; session++) {
      const batch: Uint8Array[] = [];
      for (let sequence = 1; sequence <= SESSION_WINDOW; sequence++) {
        batch.push(cmd.inSession(cmd.set('k', 'v'), { session, sequence }));
      }
      d.apply(...batch);
    }
    const next = cmd.inSession(cmd.set('k', 'v'), { session: sessions + 1, sequence: 1 });
    expect(d.run(next)).toBe('-sessionsFull');
    d.run(
      cmd.inSession(cmd.set('k', 'v'), { session: 1, sequence: SESSION_WINDOW + 1, lowestUnanswered: 9 }),
    );
    expect(d.run(next)).toBe('OK');
  });
});

describe('a snapshot', () => {
  function busy(): KvDriver {
    const d = new KvDriver();
    for (let session = 1; session <= 300; session++) {
      for (let sequence = 1; sequence <= 1 + (session % 40); sequence++) {
        const lowestUnanswered = Math.max(1, sequence - (session % 9));
        d.run(cmd.inSession(cmd.incrby(`n${session % 7}`, 1n), { session, sequence, lowestUnanswered }));
      }
    }
    return d;
  }

  it('E57: has the sessions: what comes again after a restore is not applied twice', () => {
    const d = busy();
    const last = cmd.inSession(cmd.incrby('n4', 1n), { session: 39, sequence: 40, lowestUnanswered: 37 });
    const reply = d.run(last);
    const restored = loadedFrom(chunksOf(d.kv));
    expect(restored.stateHash()).toBe(d.kv.stateHash());
    expect(restored.figures().sessions).toBe(300);
    expect(applyTo(restored, encodeEntry(d.nowMs, [last]), d.log.length + 1)).toEqual([reply]);
    expect(restored.stateHash()).toBe(d.kv.stateHash());
  });

  it('shows the moment at which it began, while sessions go on', () => {
    const d = busy();
    const hash = d.kv.stateHash();
    const source = d.kv.snapshot();
    const chunks: Uint8Array[] = [];
    for (let chunk = source.next(100); chunk !== null; chunk = source.next(100)) {
      chunks.push(chunk);
      d.run(cmd.inSession(cmd.incrby('n1', 1n), { session: 1, sequence: 50 + chunks.length }));
    }
    expect(loadedFrom(chunks).stateHash()).toBe(hash);
  });

  it('with a session lost, repeated or changed is refused', () => {
    const chunks = chunksOf(busy().kv);
    const at = chunks.findIndex((chunk) => chunk[0] === 3);
    expect(at).toBe(1);
    const sessions = chunks[at] as Uint8Array;
    expect(() => loadedFrom(chunks.filter((_, i) => i !== at))).toThrow('sessions are not those');
    expect(() => loadedFrom(chunks.flatMap((chunk, i) => (i === at ? [chunk, chunk] : [chunk])))).toThrow(
      'a session that is none',
    );
    const changed = sessions.slice();
    changed[changed.length - 1] = (changed[changed.length - 1] as number) ^ 1;
    expect(() => loadedFrom(chunks.map((chunk, i) => (i === at ? changed : chunk)))).toThrow(RangeError);
    expect(() => loadedFrom([...chunks, sessions])).toThrow('sessions behind items');
  });
});
