/**
 * What the random schedules of raft-chaos.ts are rich in: how often each action is drawn. Some bugs take an order of
 * events that a bit of everything hardly ever meets; each of these brings one kind about all the time.
 */
import type { Prng } from '../../src/base/index.js';
import type { RaftChaos } from './raft-chaos.js';

/**
 *  all         a bit of everything; some kinds of trouble are off in some runs
 *  elections   hardly anything but campaigns, crashes and slow disks, where votes get lost
 *  members     members come and go while the group mostly works
 *  votes       elections and nothing else, and few messages on the way, so that candidates of one term meet
 *  majorities  bare majorities that change: leaders whose entries reached only a few, and old ones that go on (figure 8)
 *  reads       the same at a slower pace, so that leaders which others deposed had work to do, and are asked
 *  slow        majorities with disks that stand still for a while
 *  snapshots   reads with logs that are cut short, and snapshots that come twice and late
 *  prevotes    reads with prevotes, and nobody so sure of its leader that it would not be asked
 *  leases      reads at a slow pace under long leases, with processes that stand still
 *  pairs       members under long leases, in groups of two or three whose logs are slow to read
 *  suspects    reads with disks of a minority that lose what they had, and replicas that are told so
 */
export type ChaosProfile =
  | 'all'
  | 'elections'
  | 'members'
  | 'leases'
  | 'pairs'
  | 'votes'
  | 'majorities'
  | 'reads'
  | 'prevotes'
  | 'slow'
  | 'snapshots'
  | 'suspects';

export type Schedule = readonly { readonly weight: number; readonly act: (id: number) => void }[];

export function scheduleOf(profile: ChaosProfile, chaos: RaftChaos, options: Prng): Schedule {
  switch (profile) {
    case 'all':
    case 'elections':
    case 'members':
    case 'pairs':
      return mixed(chaos, options, profile);
    case 'votes':
      return votes(chaos);
    case 'majorities':
      return majorities(chaos, 1);
    case 'reads':
    case 'prevotes':
      return majorities(chaos, 3);
    case 'leases':
      return [
        ...majorities(chaos, 3),
        { weight: 3, act: () => chaos.doubleOne() },
        { weight: 25, act: (id) => chaos.lateVotes(id) },
        { weight: 1, act: (id) => chaos.fallAsleep(id) },
        { weight: 20, act: () => chaos.oversleep() },
      ];
    case 'slow':
      return [
        ...majorities(chaos, 1),
        { weight: 10, act: (id) => chaos.persist(id) },
        { weight: 1, act: (id) => chaos.toggleSlow(id) },
      ];
    case 'snapshots':
      return [
        ...majorities(chaos, 3),
        { weight: 4, act: (id) => chaos.compact(id) },
        { weight: 12, act: (id) => chaos.stream(id) },
        { weight: 3, act: () => chaos.doubleOne() },
        { weight: 3, act: (id) => chaos.lateSnapshot(id) },
        { weight: 1, act: (id) => chaos.crash(id) },
        { weight: 10, act: (id) => chaos.start(id) },
      ];
    case 'suspects':
      return [
        ...majorities(chaos, 3).map(({ weight, act }) => ({ weight: 5 * weight, act })),
        { weight: 20, act: (id) => chaos.remember(id) },
        // Seldom: only a few replicas may lose anything, and then the moment for more is gone.
        { weight: 1, act: (id) => chaos.loseDisk(id) },
        { weight: 50, act: () => chaos.loseVote() },
        { weight: 5, act: (id) => chaos.crash(id) },
        { weight: 50, act: (id) => chaos.start(id) },
      ];
  }
}

function mixed(chaos: RaftChaos, options: Prng, profile: ChaosProfile): Schedule {
  const isElections = profile === 'elections';
  const isPairs = profile === 'pairs';
  const changes = profile === 'members' || isPairs ? 1 : 0;
  // Members change only while the group mostly works.
  const factors = changes > 0 ? [0, 0, 0, 1] : [0, 1, 1, 4];
  // Some kinds of trouble are switched off altogether in some runs: else they hide each other.
  const weigh = (weight: number): number => weight * options.pick(factors);
  return [
    { weight: 30, act: (id) => chaos.tick(id) },
    { weight: 60, act: (id) => chaos.takeReady(id) },
    { weight: 60, act: () => chaos.deliver() },
    { weight: 25, act: (id) => chaos.persist(id) },
    { weight: 10, act: () => chaos.propose() },
    { weight: 8, act: () => chaos.read() },
    { weight: weigh(5), act: () => chaos.loseOne() },
    { weight: weigh(5), act: () => chaos.doubleOne() },
    { weight: isElections ? 0 : weigh(2), act: (id) => chaos.toggleSlow(id) },
    { weight: isElections ? 6 : weigh(1), act: (id) => chaos.crash(id) },
    { weight: isElections ? 20 : 3, act: (id) => chaos.start(id) },
    { weight: weigh(2), act: () => chaos.cutOrHeal() },
    { weight: weigh(2), act: (id) => chaos.compact(id) },
    { weight: 5, act: (id) => chaos.stream(id) },
    { weight: weigh(1), act: () => chaos.transfer() },
    { weight: isElections ? 10 : weigh(1), act: (id) => chaos.campaign(id) },
    { weight: isPairs ? 4 : weigh(2), act: (id) => chaos.toggleFetches(id) },
    { weight: isPairs ? 1 : 3, act: (id) => chaos.releaseFetches(id) },
    { weight: weigh(1), act: (id) => chaos.loseLink(id) },
    { weight: chaos.withLeases ? 1 : 0, act: (id) => chaos.fallAsleep(id) },
    { weight: weigh(1), act: (id) => chaos.wake(id) },
    { weight: changes * 4, act: () => chaos.members.change() },
    { weight: changes * 8, act: () => chaos.members.destroyRemoved() },
  ];
}

function votes(chaos: RaftChaos): Schedule {
  return [
    { weight: 60, act: (id) => chaos.takeReady(id) },
    { weight: 60, act: () => chaos.deliver() },
    { weight: 30, act: (id) => chaos.persist(id) },
    { weight: 6, act: (id) => chaos.crash(id) },
    { weight: 40, act: (id) => chaos.start(id) },
    { weight: 6, act: (id) => chaos.campaign(id) },
  ];
}

/** `pace`: how long a majority lasts. A short one leaves entries half-way, a long one gives leaders time to commit. */
function majorities(chaos: RaftChaos, pace: 1 | 3): Schedule {
  return [
    { weight: 20 * pace, act: (id) => chaos.tick(id) },
    { weight: 80 * pace, act: (id) => chaos.takeReady(id) },
    { weight: 80 * pace, act: () => chaos.deliver() },
    { weight: 4 * pace, act: () => chaos.propose() },
    { weight: 2, act: () => chaos.read() },
    { weight: 8, act: () => chaos.readOld() },
    { weight: 5, act: () => chaos.loseOne() },
    { weight: 1, act: () => chaos.regroup() },
    { weight: 1 + pace, act: (id) => chaos.campaign(id) },
  ];
}
