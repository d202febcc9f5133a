/**
 * Writes what became of every test to the file named by QUORATE_EDGE_CASES, for main.ts. Tells each file on standard
 * error as it ends, and every failure whole: standard output is main.ts's.
 */
import { writeFileSync } from 'node:fs';
import type { Reporter, SerializedError, TestCase, TestModule } from 'vitest/node';

import { numbersOfTest, type FoundTest, type TestState } from './judge.js';

export interface RunRecord {
  readonly tests: readonly FoundTest[];
  /** What went wrong outside of any test. */
  readonly errors: readonly string[];
  /** Failed tests, with those that bear no number: they ran because others of their file build on them. */
  readonly failures: number;
}

export default class EdgeCaseReporter implements Reporter {
  onTestModuleEnd(module: TestModule): void {
    // The name filter skips tests without a word: a file of which nothing ran is not worth a line.
    const ran = [...module.children.allTests()].some((test) => test.result().state !== 'skipped');
    if (!ran && module.errors().length === 0) return;
    const seconds = (module.diagnostic().duration / 1000).toFixed(1);
    process.stderr.write(`${module.ok() ? 'ok    ' : 'FAILED'} ${module.relativeModuleId} (${seconds} s)\n`);
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const errors: string[] = unhandled.map((error) => `outside of any test: ${error.message}`);
    const tests: FoundTest[] = [];
    let failures = 0;
    for (const module of modules) {
      for (const error of module.errors()) errors.push(`${module.relativeModuleId}: ${error.message}`);
      for (const suite of module.children.allSuites()) {
        for (const error of suite.errors())
          errors.push(`${module.relativeModuleId} > ${suite.fullName}: ${error.message}`);
      }
      for (const test of module.children.allTests()) {
        const found = asFound(test);
        if (found.state === 'failed') failures++;
        if (numbersOfTest(found).length > 0) tests.push(found);
        for (const error of errorsOf(test)) {
          process.stderr.write(
            `\nFAILED ${found.file} > ${test.fullName}\n  ${error.stack ?? error.message}\n`,
          );
        }
      }
    }
    const file = process.env['QUORATE_EDGE_CASES'];
    if (file !== undefined)
      writeFileSync(file, JSON.stringify({ tests, errors, failures } satisfies RunRecord));
  }
}

function asFound(test: TestCase): FoundTest {
  const titles = [test.name];
  for (let parent = test.parent; parent.type === 'suite'; parent = parent.parent) titles.unshift(parent.name);
  const result = test.result();
  const note = result.state === 'skipped' ? (result.note ?? '') : '';
  return { file: shortFile(test.module.relativeModuleId), titles, state: stateOf(result.state), note };
}

function stateOf(state: ReturnType<TestCase['result']>['state']): TestState {
  return state === 'pending' ? 'not run' : state;
}

function errorsOf(test: TestCase): readonly SerializedError[] {
  const result = test.result();
  return result.state === 'failed' ? result.errors : [];
}

/** `test/unit/kv/x.test.ts` as the page names it: `unit/kv/x`. */
export function shortFile(file: string): string {
  return file.replace(/^.*?\btest\//, '').replace(/\.test\.ts$/, '');
}
