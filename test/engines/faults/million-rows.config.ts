import type { Reporter, TestModule } from 'vitest/node';
import { defineConfig } from 'vitest/config';

import base from '../../../vitest.config.js';

/** Ends with one line that a script can read. */
class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const passed = tests.filter((test) => test.result().state === 'passed').length;
    const failed = tests.length - passed;
    // A file that could not be loaded, or an error of nobody's test, is a failure too.
    const broken = modules.some((module) => module.state() === 'failed') || errors.length > 0;
    process.stdout.write(
      `purge: ${passed} passed, ${failed === 0 && (broken || passed === 0) ? 1 : failed} failed\n`,
    );
  }
}

export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/engines/faults/million-rows.ts'],
    reporters: ['default', new CountReporter()],
    testTimeout: 300_000,
  },
});
