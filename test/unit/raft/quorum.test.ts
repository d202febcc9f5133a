/** Goal: majorities, single and joint, in cases to read. Method: scripts in test/data/quorum. */
import { quorumNumber, quorumVote } from '../../../src/raft/quorum.js';
import { makeConfiguration } from '../../support/raft-builders.js';
import { testScripts } from '../../support/script-file.js';

/** `1:5,2:7,3` is replica 1 with value 5, replica 2 with 7, and replica 3 without any. */
function parseHalf(text: string): [number, string | undefined][] {
  return text.split(',').map((part) => {
    const [id = '', value] = part.split(':');
    return [Number(id), value];
  });
}

function run(line: string): string {
  const [command = '', ...halves] = line.split(/\s+/);
  const [voters = [], outgoing = []] = halves.map(parseHalf);
  const values = new Map([...voters, ...outgoing]);
  const configuration = makeConfiguration(
    voters.map(([id]) => id),
    { outgoing: outgoing.map(([id]) => id) },
  );
  if (command === 'committed') {
    return String(quorumNumber(configuration, (id) => Number(values.get(id) ?? 0)));
  }
  return quorumVote(configuration, (id) => {
    const value = values.get(id);
    return value === undefined ? undefined : value === 'yes';
  });
}

testScripts('test/data/quorum', () => run);
