import { expect, it } from 'vitest';
import { DiskGuard, type DiskState } from '../../../src/storage/index.js';
import { FOLDER, StorageWorld } from './harness.js';

const MIB = 1024 * 1024;

function makeGuard(world: StorageWorld, ballastBytes = MIB): { guard: DiskGuard; states: DiskState[] } {
  const states: DiskState[] = [];
  const reserve = { reserveRatio: 0.05, reserveBytes: 10 * MIB, ballastBytes };
  const guard = new DiskGuard({ ...world.ports, ...reserve }, (state) => states.push(state));
  return { guard, states };
}

function makeWorld(): StorageWorld {
  const world = new StorageWorld(1, { freeBytes: 500 * MIB, totalBytes: 1000 * MIB });
  world.open();
  return world;
}

it('E63 tells when the disk falls below the reserve, and when it has room again', () => {
  const world = makeWorld();
  const { guard, states } = makeGuard(world);
  world.do((done) => guard.start(done));
  expect(guard.state).toBe('ok');
  world.disk.freeBytes = 50 * MIB - 1; // 5 % of 1,000 MiB
  world.settle(1_100);
  expect(states).toEqual(['low']);
  world.disk.freeBytes = 50 * MIB;
  world.do((done) => guard.check(done));
  expect(states).toEqual(['low', 'ok']);
  world.disk.totalBytes = 100 * MIB; // now the absolute reserve is the larger one
  world.disk.freeBytes = 10 * MIB - 1;
  world.settle(1_100);
  expect(states).toEqual(['low', 'ok', 'low']);
  expect(guard.hasRoomFor(0)).toBe(false);
  world.disk.freeBytes = 15 * MIB;
  world.settle(1_100);
  expect([guard.hasRoomFor(5 * MIB), guard.hasRoomFor(5 * MIB + 1)]).toEqual([true, false]);
  states.pop();
  guard.stop();
  world.disk.freeBytes = 50 * MIB;
  world.settle(5_000);
  expect(states).toHaveLength(3);
});

it('E63 makes a ballast where there is room for it, and gives it up once', () => {
  const world = makeWorld();
  const { guard } = makeGuard(world);
  world.do((done) => guard.start(done));
  const size = (): number | null =>
    world.wait<Uint8Array | null>((done) => world.disk.files(world.owner).readAll(`${FOLDER}/ballast`, done))
      ?.length ?? null;
  expect(size()).toBe(MIB);
  world.do((done) => guard.giveUpBallast(done));
  expect(size()).toBeNull();
  world.settle(5_000);
  expect(size()).toBeNull();
});

it('does without a ballast on a disk that is nearly full, or that fills up while it is made', () => {
  const world = makeWorld();
  world.disk.freeBytes = 51 * MIB;
  const { guard } = makeGuard(world);
  world.do((done) => guard.start(done));
  expect(world.disk.names(FOLDER)).not.toContain('ballast');
  guard.stop();

  const other = makeWorld();
  other.disk.failNext('file', 'ENOSPC');
  const { guard: second } = makeGuard(other);
  other.do((done) => second.start(done));
  expect(other.disk.names(FOLDER)).not.toContain('ballast');
  expect(other.lines.some((line) => line.event === 'no ballast file')).toBe(true);
});
