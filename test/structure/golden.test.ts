/**
 * The pages of the formats and the golden samples agree: whatever is laid out has samples, and every sample is named.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const root = new URL('../../', import.meta.url);
const PAGES = ['docs/formats.md', 'docs/formats-wire.md'].map((name) =>
  readFileSync(new URL(name, root), 'utf8'),
);
const GOLDEN = new URL('test/golden/', root);

/** Headings that lay out no bytes. */
const PROSE = new Set(['What recovery concludes', 'On the wire', 'Golden samples']);

const headings = PAGES.join('\n').match(/^##+ .*$/gm) ?? [];
const formats = headings.map((line) => line.replace(/^#+ /, '')).filter((heading) => !PROSE.has(heading));
const table = (PAGES[0] ?? '').split('## Golden samples')[1] ?? '';
const rows = [...table.matchAll(/^\| (.+?) \| `(.+?\.json)` \| (.+?) \|$/gm)].map(
  ([, format = '', file = '', samples = '']) => ({ format, file, samples: samples.split(', ') }),
);

it('every layout has samples', () => {
  expect(formats.length).toBeGreaterThan(15);
  const covered = new Set(rows.map(({ format }) => format));
  expect(formats.filter((format) => !covered.has(format))).toEqual([]);
  expect([...covered].filter((format) => !formats.includes(format))).toEqual([]);
});

it('every sample is named, and every name is a sample', () => {
  const named = new Set(rows.flatMap(({ file, samples }) => samples.map((sample) => `${file}: ${sample}`)));
  const there = readdirSync(GOLDEN).flatMap((file) => {
    const samples = JSON.parse(readFileSync(new URL(file, GOLDEN), 'utf8')) as Record<string, unknown>;
    return Object.keys(samples).map((sample) => `${file}: ${sample}`);
  });
  expect([...named].sort()).toEqual(there.sort());
});
