/** `npm run kill:checkpoints [-- ROUNDS]`: kill -9 in the middle of checkpoints, 100 times unless told otherwise. */
import { killDuringCheckpoints } from '../support/checkpoint-kills.js';
import { Sandbox } from '../support/process-cluster.js';

const rounds = Number(process.argv[2] ?? 100);
if (!Number.isInteger(rounds) || rounds < 1) {
  process.stderr.write('npm run kill:checkpoints [-- ROUNDS]: expected a number of kills, 1 or more\n');
  process.exit(2);
}
const sandbox = new Sandbox();
try {
  const { during, files, acknowledged } = await killDuringCheckpoints(sandbox, rounds, (tally) => {
    if (tally.rounds % 10 === 0)
      process.stdout.write(
        `${tally.rounds} kills, ${tally.during} of them with a checkpoint half written; ${tally.acknowledged} writes acknowledged\n`,
      );
  });
  process.stdout.write(
    `ok: ${rounds} kills, ${during} left a half-written checkpoint, ${files} whole ones were found; ` +
      `all ${acknowledged} acknowledged writes are there, none counted twice\n`,
  );
} finally {
  await sandbox.close();
}
