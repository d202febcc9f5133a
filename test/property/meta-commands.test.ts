/**
 * Goal: retries and repetitions never change what group 0 says: an instance has one node id for ever, the map version
 * grows exactly when something changed, and a snapshot at any point continues to the same state.
 * Method: random commands, each repeated now and then, on one machine; a twin restored from a snapshot on the way.
 */
import { expect, test } from 'vitest';
import { ByteReader, KNOWN_VERSIONS, Prng } from '../../src/base/index.js';
import { encodeBootstrap, encodeUpsertNode, MetaMachine } from '../../src/meta/index.js';
import { makeAddresses, makeMetaEntry, makeState } from '../support/loop-meta.js';

function restored(from: MetaMachine): MetaMachine {
  const twin = new MetaMachine(() => undefined);
  const loader = twin.loader();
  const source = from.snapshot();
  for (let chunk = source.next(100); chunk !== null; chunk = source.next(100)) loader.push(chunk);
  loader.finish();
  return twin;
}

test('ids stay, versions grow with changes alone, snapshots continue alike', () => {
  for (let seed = 1; seed <= 40; seed++) {
    const prng = new Prng(seed);
    const machine = new MetaMachine(() => undefined);
    const ids = new Map<string, number>();
    const addresses = new Map<string, number>();
    let twin: MetaMachine | null = null;
    machine.apply(1, 1, makeMetaEntry([encodeBootstrap(makeState(prng.between(1, 5)))]), null);
    for (const node of machine.state.nodes) ids.set(node.instanceId, node.id);
    for (let index = 2; index < 100; index++) {
      const commands: Uint8Array[] = [];
      const expected: string[] = [];
      let changes = 0;
      for (let count = prng.between(0, 3); count > 0; count--) {
        if (prng.chance(0.1)) {
          commands.push(encodeBootstrap(makeState(3, 8, 3, 'other')));
          expected.push('');
          continue;
        }
        const instance = prng.chance(0.3) ? `instance-${prng.between(1, 5)}` : `n${prng.below(12)}`;
        const at = prng.chance(0.7) ? (addresses.get(instance) ?? 20) : prng.between(20, 30);
        const known = machine.state.nodes.find((node) => node.instanceId === instance);
        const before = addresses.get(instance) ?? Number(known?.addresses.grpc.split(':')[1]) - 7600;
        if (before !== at) changes++;
        addresses.set(instance, at);
        const command = encodeUpsertNode(instance, makeAddresses(at), KNOWN_VERSIONS);
        for (let again = prng.chance(0.2) ? 2 : 1; again > 0; again--) {
          commands.push(command);
          expected.push(instance);
        }
      }
      const version = machine.state.mapVersion;
      const entry = makeMetaEntry(commands, 1000 + prng.below(1000));
      machine.apply(index, 1, entry, {
        onResult: (position, bytes, start, end) => {
          const r = new ByteReader(bytes, start, end);
          r.u8();
          const nodeId = r.u32();
          const instance = expected[position] as string;
          if (instance === '') return;
          const id = ids.get(instance) ?? nodeId;
          expect(nodeId).toBe(id);
          ids.set(instance, id);
        },
      });
      twin?.apply(index, 1, entry, null);
      expect(machine.state.mapVersion, `seed ${seed}, index ${index}`).toBe(version + changes);
      if (twin !== null) {
        expect(twin.state).toEqual(machine.state);
        expect(twin.stateHash()).toBe(machine.stateHash());
        expect(twin.timestampMs()).toBe(machine.timestampMs());
      }
      if (twin === null && prng.chance(0.1)) twin = restored(machine);
    }
    expect(new Set(ids.values()).size).toBe(ids.size);
  }
});
