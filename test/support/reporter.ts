/**
 * Our own reporter: a line per file, every failure whole, and `N passed, N failed` as the last line. Skipped tests are
 * named with their reason, since a test that silently doesn't run proves nothing. With QUORATE_TEST_COUNTS set, the
 * figures go to that file and the last line is left to the caller (scripts/test.mjs).
 */
import { writeFileSync } from 'node:fs';
import type { UserConsoleLog } from 'vitest';
import type { Reporter, SerializedError, TestCase, TestModule, Vitest } from 'vitest/node';

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

export class SummaryReporter implements Reporter {
  private vitest: Vitest | null = null;

  onInit(vitest: Vitest): void {
    this.vitest = vitest;
  }

  onUserConsoleLog(log: UserConsoleLog): void {
    this.print(`       ${log.content.trimEnd()}`);
  }

  onTestModuleEnd(module: TestModule): void {
    const counts = count([module]);
    const seconds = (module.diagnostic().duration / 1000).toFixed(1);
    const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : '';
    this.print(
      `${module.ok() ? 'ok    ' : 'FAILED'} ${module.relativeModuleId} (${counts.passed} passed${skipped}, ${seconds} s)`,
    );
    for (const test of module.children.allTests('skipped')) {
      const result = test.result();
      const note = result.state === 'skipped' ? result.note : undefined;
      this.print(`       SKIPPED ${test.fullName}${note === undefined ? '' : `: ${note}`}`);
    }
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    for (const module of modules) this.reportFailures(module);
    for (const error of unhandled) this.printFailure('outside of any test', error);
    const counts = count(modules);
    counts.failed += unhandled.length;
    const file = process.env['QUORATE_TEST_COUNTS'];
    if (file === undefined) this.print(describeCounts(counts));
    else writeFileSync(file, JSON.stringify(counts));
  }

  private reportFailures(module: TestModule): void {
    for (const error of module.errors()) this.printFailure(module.relativeModuleId, error);
    for (const suite of module.children.allSuites()) {
      for (const error of suite.errors())
        this.printFailure(`${module.relativeModuleId} > ${suite.fullName}`, error);
    }
    for (const test of module.children.allTests('failed')) {
      for (const error of errorsOf(test))
        this.printFailure(`${module.relativeModuleId} > ${test.fullName}`, error);
    }
  }

  private printFailure(where: string, error: SerializedError): void {
    // A time-out's stack doesn't bear its message, so the frames are taken alone.
    const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
    const diff = typeof error['diff'] === 'string' ? error['diff'].split('\n') : [];
    const lines = [`${error.name}: ${error.message}`, ...frames, ...diff];
    this.print(`\nFAILED ${where}\n  ${lines.join('\n  ')}`);
  }

  private print(line: string): void {
    if (this.vitest) this.vitest.logger.log(line);
    else process.stdout.write(`${line}\n`);
  }
}

function errorsOf(test: TestCase): readonly SerializedError[] {
  const result = test.result();
  return result.state === 'failed' ? result.errors : [];
}

/** A file that fails to load, and a failing hook of a suite, count as one failure each. */
function count(modules: readonly TestModule[]): Counts {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  for (const module of modules) {
    if (module.errors().length > 0) counts.failed++;
    for (const suite of module.children.allSuites()) if (suite.errors().length > 0) counts.failed++;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === 'passed') counts.passed++;
      else if (state === 'failed') counts.failed++;
      else counts.skipped++;
    }
  }
  return counts;
}

export function describeCounts(counts: Counts): string {
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : '';
  return `${counts.passed} passed, ${counts.failed} failed${skipped}`;
}
