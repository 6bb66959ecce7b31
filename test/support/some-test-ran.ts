import type { Reporter, TestModule } from 'vitest/node';

/**
 * Fails a run in which no test ran. The option `passWithNoTests` is for single files, those about servers that this machine does not
 * have; it would also pass a run that found no file at all, such as that of a spec of another round (test/rounds.ts).
 */
export default class SomeTestRan implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    if (modules.some(hasRun)) return;
    process.exitCode = 1;
    process.stdout.write(
      'No test ran: no file and title matched, the file belongs to another round, or the servers that it is about are not on this ' +
        'machine. `npm run spec -- FILE` runs a file of any round.\n',
    );
  }
}

/** Whether a test of the module was not skipped. */
function hasRun(module: TestModule): boolean {
  return [...module.children.allTests()].some((test) => test.result().state !== 'skipped');
}
