// Threat: a lower room of lib/ imports a higher one, so that a change of a store depends on HTTP, or that two rooms can no
// longer be understood apart. `npm run lint` refuses it by the overrides of .oxlintrc.json; here imports are planted.
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterEach, describe, expect, it } from 'vitest';

import { ROOMS } from '../support/rooms.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const OXLINT = join(ROOT, 'node_modules/.bin/oxlint');
const FOLDERS = ROOMS.filter((room) => !room.endsWith('.ts'));

interface Diagnostic {
  readonly code: string;
  readonly filename: string;
}

let folder = '';

afterEach(() => rm(folder, { recursive: true }));

/** Lints these files of lib/ with the configuration of the project. @returns the rule and the file of each error. */
async function lint(files: ReadonlyMap<string, string>): Promise<string[]> {
  folder = await mkdtemp(join(tmpdir(), 'import-direction-'));
  await copyFile(join(ROOT, '.oxlintrc.json'), join(folder, '.oxlintrc.json'));
  for (const [name, text] of files) {
    const file = join(folder, 'lib', name);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }
  const output = await new Promise<string>((resolve) => {
    execFile(OXLINT, ['--format=json', 'lib'], { cwd: folder }, (_, stdout) => resolve(stdout));
  });
  const { diagnostics } = JSON.parse(output) as { diagnostics: Diagnostic[] };
  return diagnostics.map(({ code, filename }) => `${code} ${relative('lib', filename)}`).toSorted();
}

/** A file of one folder that imports from another one. */
function planted(from: string, to: string): readonly [string, string] {
  const target = to.endsWith('.ts') ? to.replace(/\.ts$/, '.js') : `${to}/index.js`;
  const specifier = relative(from, target);
  return [
    `${from}/imports-${to.replaceAll('/', '-')}.ts`,
    `import { Something } from '${specifier}';\n\nexport const something = new Something();\n`,
  ];
}

const restricted = (name: string): string => `eslint(no-restricted-imports) ${name}`;

describe('The direction of imports', () => {
  it('is refused by lint when a folder of lib imports one above it', async () => {
    const upwards = FOLDERS.flatMap((from) =>
      // `index.ts` is left to test/package/entry-points.spec.ts: a folder may have an index of its own at the same path.
      ROOMS.slice(ROOMS.indexOf(from) + 1)
        .filter((room) => room !== 'index.ts')
        // Imported by every room from `limits` on, and by none before.
        .filter((room) => room !== 'two-factor.tokens.ts')
        .map((to) => planted(from, to)),
    );
    expect(upwards.length).toBeGreaterThan(100);

    expect(await lint(new Map(upwards))).toEqual(
      upwards.map(([name]) => restricted(name)).toSorted(),
    );
  });

  it('is refused from each subfolder of lib too', async () => {
    const below = [
      ['database/drivers', 'limits'],
      ['database/drivers', 'database/execution'],
      ['database/execution', 'database/batching'],
      ['database/batching', 'database/statement-runner.ts'],
      ['limits/store', 'limits/limit.service.ts'],
      ['limits/store/dialects', 'confirmation'],
      ['confirmation/model', 'confirmation/store'],
      ['confirmation/store', 'confirmation/confirmer.service.ts'],
      ['confirmation/store/dialects', 'http'],
      ['http/dto', 'testing'],
    ].map(([from, to]) => planted(from!, to!));

    expect(await lint(new Map(below))).toEqual(below.map(([name]) => restricted(name)).toSorted());
  });

  it('is not refused downwards', async () => {
    const downwards = [
      ['crypto', 'errors'],
      ['limits', 'database'],
      ['limits/store/dialects', 'database'],
      ['database/batching', 'database/drivers'],
      ['confirmation', 'limits'],
      ['confirmation/store', 'confirmation/model'],
      ['delivery', 'two-factor.tokens.ts'],
      ['http', 'request'],
      ['testing', 'two-factor.module.ts'],
    ].map(([from, to]) => planted(from!, to!));

    expect(await lint(new Map(downwards))).toEqual([]);
  });

  it('is refused by lint when two files import each other', async () => {
    const circle = new Map([
      [
        'crypto/first.ts',
        `import { second } from './second.js';\n\nexport const first = second;\n`,
      ],
      ['crypto/second.ts', `import { first } from './first.js';\n\nexport const second = first;\n`],
    ]);

    expect(await lint(circle)).toEqual([
      'import(no-cycle) crypto/first.ts',
      'import(no-cycle) crypto/second.ts',
    ]);
  });

  it('lists every folder of lib', async () => {
    folder = await mkdtemp(join(tmpdir(), 'import-direction-'));
    const entries = await readdir(join(ROOT, 'lib'), { withFileTypes: true });
    const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);

    expect(folders.toSorted()).toEqual(FOLDERS.toSorted());
  });
});
