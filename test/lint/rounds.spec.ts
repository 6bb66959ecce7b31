import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const runFile = promisify(execFile);

interface Run {
  readonly code: number;
  readonly output: string;
}

async function node(...given: readonly string[]): Promise<Run> {
  // The variables of this vitest would be taken for those of the one that is started.
  const env = { PATH: process.env['PATH'] };
  try {
    const { stdout, stderr } = await runFile(process.execPath, given, { cwd: ROOT, env });
    return { code: 0, output: stdout + stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, output: stdout + stderr };
  }
}

/** Asks `test/run-spec.js`, in a process of its own, because a vitest that is made inside of another one changes its environment. */
async function filesByConfig(asked: readonly string[]): Promise<Record<string, string[]>> {
  const script = `
    import { filesByConfig } from './test/run-spec.js';
    const { found } = await filesByConfig(${JSON.stringify(asked)});
    console.log(JSON.stringify(Object.fromEntries(found)));`;
  const { output } = await node('--input-type=module', '--eval', script);
  return JSON.parse(output) as Record<string, string[]>;
}

describe('npm run spec', () => {
  it('finds each spec of the repository in exactly one round', async () => {
    const rounds = await filesByConfig([]);
    const names = await readdir(join(ROOT, 'test'), { recursive: true });
    const specs = names.filter((name) => name.endsWith('.spec.ts')).map((name) => `test/${name}`);
    const found = Object.values(rounds)
      .flat()
      .filter((file) => file.endsWith('.spec.ts'));

    expect(specs.length).toBeGreaterThan(300);
    expect(found.toSorted()).toEqual(specs.toSorted());
  });

  it('starts no round of minutes for a folder, and starts one when its file is named', async () => {
    const long = 'test/engines/queue/long-run.ts';

    const ofFolder = Object.values(await filesByConfig(['test/engines'])).flat();
    expect(ofFolder.length).toBeGreaterThan(50);
    expect(ofFolder.filter((file) => !file.endsWith('.spec.ts'))).toEqual([]);
    expect(await filesByConfig([long])).toEqual({
      'test/engines/queue/long-run.config.ts': [long],
    });
  });

  it('takes the configuration of the round that a file belongs to', async () => {
    const [fault, property] = [
      'test/engines/faults/lost-answers.spec.ts',
      'test/properties/keys.spec.ts',
    ];

    expect(await filesByConfig([fault, property])).toEqual({
      'test/servers.config.ts': [fault],
      'test/extended.config.ts': [property],
    });
  });

  it('fails when a file is in no round', async () => {
    const { code, output } = await node('test/run-spec.js', 'test/unit/no-such.spec.ts');

    expect([code, output]).toEqual([
      1,
      'No test file has test/unit/no-such.spec.ts in its path.\n',
    ]);
  });
});

describe('A run of vitest', () => {
  let folder: string;

  beforeAll(async () => {
    // Inside of the repository, where Node finds vitest.
    await mkdir(join(ROOT, '.tmp'), { recursive: true });
    folder = await mkdtemp(join(ROOT, '.tmp', 'rounds-'));
    const reporter = JSON.stringify(join(ROOT, 'test/support/some-test-ran.ts'));
    const tests = {
      include: ['**/*.spec.ts'],
      passWithNoTests: true,
    };
    await writeFile(
      join(folder, 'vitest.config.ts'),
      `import SomeTestRan from ${reporter};
       export default { test: { ...${JSON.stringify(tests)}, reporters: ['default', new SomeTestRan()] } };`,
    );
    await writeFile(
      join(folder, 'some.spec.ts'),
      "import { it } from 'vitest'; it('passes', () => {});",
    );
    // As a file about servers is where there are none.
    await writeFile(
      join(folder, 'none.spec.ts'),
      "import { describe } from 'vitest'; describe.each([])('On %s', () => {});",
    );
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('fails with the command to take for the spec of another round', async () => {
    const spec = 'test/engines/faults/lost-answers.spec.ts';
    const report = `--outputFile.json=${join(folder, 'report.json')}`;
    const { code, output } = await node('node_modules/vitest/vitest.mjs', 'run', spec, report);

    expect(code, output).toBe(1);
    expect(output).toContain('npm run spec -- FILE');
  });

  it.each([
    { ran: 'a test', given: ['some.spec.ts'], fails: false },
    { ran: 'a test, beside a file without any', given: [], fails: false },
    { ran: 'a file without any', given: ['none.spec.ts'], fails: true },
    { ran: 'no file', given: ['gone.spec.ts'], fails: true },
    { ran: 'no title', given: ['some.spec.ts', '--testNamePattern', 'gone'], fails: true },
  ])('fails only without a test, when it found $ran', async ({ given, fails }) => {
    const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs');
    const { code, output } = await node(vitest, 'run', '--root', folder, ...given);

    expect(code, output).toBe(fails ? 1 : 0);
    expect(output.includes('No test ran')).toBe(fails);
  });
});
