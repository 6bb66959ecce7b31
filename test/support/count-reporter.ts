import type { Reporter, TestModule } from 'vitest/node';

/** Ends a long round with one line that `.ci/run` can read: `purge: 4 passed, 0 failed`. */
export class CountReporter implements Reporter {
  /** @param only names of the tests that the round consists of; all, if it is not given. */
  constructor(
    private readonly round: string,
    private readonly only?: RegExp,
  ) {}

  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const all = modules.flatMap((module) => [...module.children.allTests()]);
    const tests = all.filter(({ fullName }) => this.only?.test(fullName) ?? true);
    const passed = tests.filter((test) => test.result().state === 'passed').length;
    const failed = tests.length - passed;
    // A file that could not be loaded, or an error outside of any test, is a failure too.
    const broken = modules.some((module) => module.state() === 'failed') || errors.length > 0;
    // A run in which no test passed proves nothing, and vitest may have passed it: see `SomeTestRan`.
    if (passed === 0) process.exitCode = 1;
    process.stdout.write(
      `${this.round}: ${passed} passed, ${failed === 0 && (broken || passed === 0) ? 1 : failed} failed\n`,
    );
  }
}
