/** The version that a node says of itself is the package's. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

import { VERSION } from '../../../src/base/version.js';

it('is the same in the program and in package.json', () => {
  expect(VERSION).toBe((JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }).version);
});
