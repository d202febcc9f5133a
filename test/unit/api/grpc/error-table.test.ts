/** The table of failures in docs/grpc.md and the proto's enum say what base/errors.ts says. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

import { ERROR_REASONS, type ErrorReason } from '../../../../src/base/index.js';
import { FAILURE_TEXTS } from '../../../../src/api/index.js';

const REASONS = (Object.keys(ERROR_REASONS) as ErrorReason[]).sort(
  (a, b) => ERROR_REASONS[a].number - ERROR_REASONS[b].number,
);

it('docs/grpc.md lists every reason with its status, word, class and certainty', () => {
  const rows = readFileSync('docs/grpc.md', 'utf8')
    .split('\n')
    .filter((line) => /^\| \d+ \| `[A-Z_]+` \|/.test(line))
    .map((line) => line.replace(/\s+/g, ' '));
  const expected = REASONS.map((reason) => {
    const { number, grpc, resp, retry, definite } = ERROR_REASONS[reason];
    return `| ${number} | \`${reason}\` | \`${grpc}\` | \`${resp}\` | \`${retry}\` | ${definite ? 'yes' : 'no'} |`;
  });
  expect(rows).toEqual(expected);
});

it('the enum Reason of the proto has every reason under its number, and no other', () => {
  const text = readFileSync('proto/quorate/v1/cache.proto', 'utf8');
  const body = /enum Reason \{([^}]*)\}/.exec(text)?.[1] ?? '';
  const values = [...body.matchAll(/REASON_(\w+) = (\d+);/g)].map(([, name, number]) => [
    name,
    Number(number),
  ]);
  expect(values).toEqual([['NONE', 0], ...REASONS.map((reason) => [reason, ERROR_REASONS[reason].number])]);
});

it('the RESP word of a reason is the first of its RESP text', () => {
  for (const reason of REASONS) expect(FAILURE_TEXTS[reason].split(' ')[0]).toBe(ERROR_REASONS[reason].resp);
});
