import type { Reporter, TestCase, TestModule } from 'vitest/node';

import { VERDICT, type Verdict } from './verdict.js';

/** Prints what became of each test that ran, as one line of JSON for `run-tests.ts`. */
export class VerdictReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const verdicts = modules
      .flatMap((module) => [...module.children.allTests()])
      .filter((test) => test.result().state !== 'skipped')
      .map(verdictOf);
    process.stdout.write(`\n${VERDICT}${JSON.stringify(verdicts)}\n`);
  }
}

function verdictOf(test: TestCase): Verdict {
  const { state, errors = [] } = test.result();
  return {
    test: test.fullName,
    isGreen: state === 'passed',
    // A matcher of this repository throws an error of another name, which has what it compared.
    isAssertion: errors.some(
      (error) => error.name === 'AssertionError' || 'expected' in error || 'actual' in error,
    ),
    message: errors[0]?.message ?? '',
  };
}
