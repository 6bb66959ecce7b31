// The example for Angular, compiled as an application of Angular is: `tsc` does not look into its template.
import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify, stripVTControlCharacters } from 'node:util';

import { beforeAll, describe, expect, it } from 'vitest';

import { readPage } from '../support/snippets.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const MANIFESTS = join(ROOT, 'test/docs/angular');
/** Not in the folder of the manifests, where the compiler and the linter of this package would look at what is installed. */
const FOLDER = join(ROOT, '.tmp/angular');

const run = promisify(execFile);

/** Installs the compiler, unless it was installed from the same lock file. */
async function install(): Promise<void> {
  const lock = await readFile(join(MANIFESTS, 'package-lock.json'), 'utf8');
  const marker = join(FOLDER, 'installed-from.json');
  if ((await readFile(marker, 'utf8').catch(() => '')) === lock) return;
  await rm(FOLDER, { recursive: true, force: true });
  await cp(MANIFESTS, FOLDER, { recursive: true });
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund'];
  await run('npm', ['ci', ...flags], { cwd: FOLDER }).catch((error: Error) => {
    const what = 'npm could not install the compiler of Angular, which this test needs';
    throw new Error(`${what}: ${error.message}`);
  });
  await writeFile(marker, lock);
}

const OPTIONS = {
  compilerOptions: {
    target: 'es2022',
    module: 'es2022',
    moduleResolution: 'bundler',
    lib: ['es2023', 'dom', 'dom.iterable'],
    types: [],
    strict: true,
    skipLibCheck: true,
    noEmit: true,
    paths: {
      'nestjs-two-factor/client': [join(ROOT, 'lib/client/index.ts')],
      'nestjs-two-factor/client/element': [join(ROOT, 'lib/client/element/index.ts')],
    },
  },
  include: ['src'],
  angularCompilerOptions: { strictTemplates: true },
};

/** What the compiler of Angular says, as `file: sentence`. */
async function complaintsOf(files: ReadonlyMap<string, string>): Promise<string[]> {
  await rm(join(FOLDER, 'src'), { recursive: true, force: true });
  await mkdir(join(FOLDER, 'src'));
  for (const [name, text] of files) await writeFile(join(FOLDER, 'src', name), text);
  await writeFile(join(FOLDER, 'tsconfig.json'), JSON.stringify(OPTIONS));
  const compiler = join(FOLDER, 'node_modules/@angular/compiler-cli/bundles/src/bin/ngc.js');
  const output = await run(process.execPath, [compiler, '-p', 'tsconfig.json'], {
    cwd: FOLDER,
  }).then(
    () => '',
    ({ stdout, stderr }: { stdout: string; stderr: string }) => stdout + stderr,
  );
  const plain = stripVTControlCharacters(output);
  const found = Array.from(
    plain.matchAll(/^src\/([\w.-]+\.ts):.+ - error (.+)$/gm),
    ([, name, sentence]) => `${name}: ${sentence}`,
  );
  // Any other output is of a compiler that has failed, and not about a file.
  if (output !== '' && found.length === 0) throw new Error(plain);
  return found;
}

const page = await readPage('docs/guides/front-end.md');
const EXAMPLE = page.files.get('confirm-transfer.component.ts')!;

/** Mistakes in the template, and what the compiler says of each. */
const MISTAKES = [
  ['a misspelt property', '[details]=', '[detials]=', "Can't bind to 'detials'"],
  [
    'a text for the details',
    '"details()"',
    '"details().amount"',
    "Type 'string' is not assignable",
  ],
  ['a misspelt purpose', 'purpose="transfer"', 'porpose="transfer"', "Required input 'purpose'"],
  ['a misspelt event', '(two-factor-confirmed)', '(two-factor-confirmd)', "Property 'detail'"],
  ['a misspelt member of the event', '.detail.id)', '.detail.identity)', "Property 'identity'"],
  [
    'a misspelt element',
    '<two-factor-code\n',
    '<two-factor-cod\n',
    "'two-factor-cod' is not a known",
  ],
] as const;

let complaints: string[];

beforeAll(async () => {
  await install();
  const twins = MISTAKES.map(
    ([, right, wrong], index) => [`mistake-${index}.ts`, EXAMPLE.replace(right, wrong)] as const,
  );
  complaints = await complaintsOf(new Map([['example.ts', EXAMPLE], ...twins]));
});

describe('The example for Angular', () => {
  it('compiles with strict templates', () => {
    expect(complaints.filter((complaint) => complaint.startsWith('example.ts'))).toEqual([]);
  });

  it.each(MISTAKES.map(([what, , , sentence], index) => [what, sentence, index] as const))(
    'is found not to compile with %s in its template',
    (_, sentence, index) => {
      expect(complaints).toContainEqual(
        expect.stringMatching(new RegExp(`^mistake-${index}\\.ts: .*${sentence}`)),
      );
    },
  );

  it('is compiled by the version of Angular that this package is tested with', async () => {
    const read = async (path: string) =>
      JSON.parse(await readFile(join(ROOT, path), 'utf8')) as Record<
        string,
        Record<string, string>
      >;
    const { dependencies } = await read('test/docs/angular/package.json');
    const { devDependencies } = await read('package.json');

    for (const name of ['@angular/core', 'typescript', 'rxjs', 'tslib']) {
      expect([name, dependencies![name]]).toEqual([name, devDependencies![name]]);
    }
  });
});
