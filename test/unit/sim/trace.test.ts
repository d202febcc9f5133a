/** The trace for a model check: its form, that it follows from what went before, and that all that matters is in it. */
import { describe, expect, it } from 'vitest';
import { checkTrace } from '../../sim/trace/check-trace.js';
import { traceRun } from '../../sim/trace/trace-run.js';

const EVENTS = 400;
const SEEDS = Array.from({ length: 20 }, (_, i) => i + 1);

function makeTrace(seed: number, preVote = false): string[] {
  return traceRun({ seed, preVote, events: EVENTS });
}

interface Shape {
  event: { name: string; nid: string; conf: string[][]; msg?: Record<string, unknown>; role: string };
}

/** The lines with one of them changed. */
function changed(lines: readonly string[], at: number, change: (line: Shape) => void): string[] {
  const line = JSON.parse(lines[at] ?? '') as Shape;
  change(line);
  return lines.map((text, i) => (i === at ? JSON.stringify(line) : text));
}

function indexOf(lines: readonly string[], name: string, role = ''): number {
  return lines.findIndex((line) => line.includes(`"name":"${name}"`) && line.includes(role));
}

describe('a trace', () => {
  it('follows line by line from what went before', () => {
    for (const seed of SEEDS) checkTrace(makeTrace(seed));
  });

  it('has elections, a restart, a snapshot and a joint change within 400 events', () => {
    for (const seed of SEEDS) {
      const events = makeTrace(seed).map((line) => (JSON.parse(line) as Shape).event);
      expect(events).toHaveLength(EVENTS);
      const count = (name: string): number => events.filter((event) => event.name === name).length;
      expect(count('BecomeLeader')).toBeGreaterThan(1);
      expect(count('ReceiveSnapshot')).toBeGreaterThan(0);
      expect(count('ChangeConf')).toBeGreaterThan(2);
      expect(events.some(({ conf }) => (conf[1]?.length ?? 0) > 0)).toBe(true);
      const starts = events.filter(({ name }) => name === 'InitState').map(({ nid }) => nid);
      expect(starts.length).toBeGreaterThan(new Set(starts).size);
    }
  });

  it('is sorted as text by its times, as validators sort it', () => {
    const times = makeTrace(1).map((line) => line.split(':')[2] ?? '');
    expect([...times].sort()).toEqual(times);
    expect(new Set(times).size).toBe(EVENTS);
  });

  it('is the same for the same seed, another for another', () => {
    expect(makeTrace(3)).toEqual(makeTrace(3));
    expect(makeTrace(3)).not.toEqual(makeTrace(4));
  });

  it('speaks of no prevotes and read rounds, with PreVote or without', () => {
    for (const line of [...makeTrace(1), ...makeTrace(1, true)]) {
      expect(line).not.toMatch(/PreVote|PreCandidate|ReadIndex|round|Timeout/i);
    }
  });

  it('has every field of the form', () => {
    const append = makeTrace(1).find((line) => line.includes('"MsgApp"')) ?? '';
    const { event } = JSON.parse(append) as { event: Record<string, object> };
    expect(Object.keys(event)).toEqual(['name', 'nid', 'state', 'role', 'log', 'conf', 'msg', 'prop']);
    expect(Object.keys(event['state'] ?? {})).toEqual(['term', 'vote', 'commit']);
    expect(Object.keys(event['prop'] ?? {})).toEqual(['match', 'next']);
    expect(Object.keys(event['msg'] ?? {})).toEqual([
      ...['type', 'term', 'from', 'to', 'entries', 'logTerm'],
      ...['index', 'commit', 'vote', 'reject', 'rejectHint'],
    ]);
  });
});

describe('the check of a trace', () => {
  const lines = makeTrace(2);

  it('refuses a message that nobody sent', () => {
    const at = indexOf(lines, 'ReceiveAppendEntriesRequest');
    const broken = changed(lines, at, ({ event }) => (event.msg = { ...event.msg, entries: 99 }));
    expect(() => checkTrace(broken)).toThrow('received what nobody sent');
  });

  it('refuses a leader without a majority of votes', () => {
    const at = lines.findLastIndex(
      (line, i) => i < indexOf(lines, 'BecomeLeader') && line.includes('"ReceiveRequestVoteResponse"'),
    );
    expect(() => checkTrace(lines.toSpliced(at, 1))).toThrow('a majority voted');
  });

  it('refuses a commit index that no majority acknowledged', () => {
    const at = indexOf(lines, 'ReceiveAppendEntriesResponse', 'StateLeader');
    expect(() => checkTrace(lines.toSpliced(at, 1))).toThrow('as far as a majority acknowledged');
  });

  it('refuses a replica that never started', () => {
    expect(() => checkTrace(lines.slice(1))).toThrow('did not start');
  });

  it('refuses a commit index that falls', () => {
    const at = indexOf(lines, 'Commit') + 1;
    const broken = changed(lines, at, ({ event }) =>
      Object.assign(event, { state: { term: 2, vote: '2', commit: 0 } }),
    );
    expect(() => checkTrace(broken)).toThrow('it should be');
  });
});
