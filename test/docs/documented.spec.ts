// The documentation covers every export, option and error, and all of its code compiles and runs. Each check has a twin that
// must fail it.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { beforeAll, describe, expect, it } from 'vitest';

import { readSource, ROOT } from '../../docs/generate/read-source.js';
import { errorsPage, optionsPage, slugPages } from '../../docs/generate/pages.js';
import * as publicApi from '../../lib/index.js';
import { problem } from '../../lib/http/problem.js';
import { SERIES } from '../support/guide-series.js';
import { isScalar, settableOptions } from '../support/settable-options.js';
import {
  complaintsOf,
  pageOf,
  readPage,
  strayCodeOf,
  writePage,
  type Page,
} from '../support/snippets.js';

/** Written by docs/generate, or installed. */
const NOT_OURS = /^(?:node_modules|\.vitepress|project|reference\/(?:api|errors|options))/;

/** Their files are parts of one application, which guide-series.spec.ts builds and compiles. */
const IN_SERIES = new Set(SERIES.map((name) => `guides/${name}.md`));

const source = readSource();

describe('The reference', () => {
  it('documents each public export, each option and each error', () => {
    expect(source.gaps).toEqual([]);
    expect(source.entries.flatMap((entry) => entry.exports).length).toBeGreaterThan(100);
  });

  it('is found incomplete when an export, an option, an error and a slug have no documentation', async () => {
    const planted = await plant([
      ['lib/index.ts', /$/, 'export const secretDoor = true;\n'],
      [
        'lib/options/two-factor-options.interface.ts',
        /(?=  \/\*\* The source of time)/,
        'readonly haste?: number;\n',
      ],
      ['lib/errors/two-factor-conflict.error.ts', /\/\*\*[\s\S]*?\*\//, ''],
      ['lib/errors/two-factor-not-found.error.ts', /'not-found'/, "'lost-and-found'"],
      ['lib/errors/two-factor-input.error.ts', /HTTP 400/, 'HTTP 404'],
    ]);

    expect(readSource(planted).gaps).toEqual([
      'nestjs-two-factor: TwoFactorConflictError has no sentence.',
      'nestjs-two-factor: secretDoor has no sentence.',
      'TwoFactorModuleOptions.haste has no sentence.',
      'TwoFactorInputError: the sentence does not say HTTP 400.',
      'TwoFactorNotFoundError: the code lost-and-found has no status in lib/http/problem.ts.',
    ]);
  });

  it('has a row for each option that there is, and its default', () => {
    const page = optionsPage(source.options);
    const documented = new Map(
      source.options
        .find(({ name }) => name === 'TwoFactorModuleOptions')
        ?.rows.map((row) => [row.name, row.default] as const),
    );
    for (const [name, value] of settableOptions()) {
      expect(documented.has(name), name).toBe(true);
      expect(page).toContain(`\`${name}\``);
      if (isScalar(value)) expect(documented.get(name), name).toBe(String(value));
    }
    expect(page).toContain('`TWO_FACTOR_TTL_SECONDS`');
    expect(page).not.toContain('undefined');
  });

  it('has a row for each error class and each slug, with its status', () => {
    const page = errorsPage(source.errors);
    const classes = Object.keys(publicApi).filter(
      (name) => name.endsWith('Error') && name !== 'TwoFactorError',
    );
    expect(source.errors.classes.map(({ name }) => name).toSorted()).toEqual(classes.toSorted());
    for (const name of classes) expect(page).toContain(`## ${name}\n`);
    const slugs = [...source.errors.classes.flatMap(({ codes }) => codes), ...source.errors.others];
    expect(slugs).toHaveLength(28);
    for (const { code, status, title } of slugs) {
      expect({ status, title }, code).toEqual({
        status: problem(code).status,
        title: problem(code).title,
      });
      expect(page).toContain(`\`${code}\``);
    }
    expect(page).not.toContain('undefined');
  });
});

describe('The page of a slug', () => {
  it('has its status, its cause and its remedy, and is linked from the table of all errors', () => {
    const table = errorsPage(source.errors);
    const pages = slugPages(source.errors);
    expect(pages).toHaveLength(28);
    for (const [path, text] of pages) {
      const code = /^reference\/errors\/([a-z-]+)\.md$/.exec(path)?.[1] ?? path;
      expect(text).toContain(`# ${code}\n\nHTTP ${problem(code).status}: “${problem(code).title}”`);
      expect(text).toContain(`"type": "${problem(code).type}"`);
      expect(text).toMatch(/\*\*Cause\.\*\* [A-Z][\s\S]+\.\n\n\*\*Remedy\.\*\* [A-Z][\s\S]+\./);
      expect(text).not.toContain('undefined');
      expect(table).toContain(`](./errors/${code}.md)`);
    }
  });

  it('cannot be made when a slug has no remedy, and a remedy has no slug', async () => {
    const text = await readFile(join(ROOT, 'docs/errors.md'), 'utf8');
    const renamed = text.replace('### expired\n', '### stale\n');
    expect(() => slugPages(source.errors, renamed)).toThrow(
      'lacks cause and remedy of expired, and describes stale',
    );
  });
});

describe("The pages' TypeScript", () => {
  let pages: Page[];
  let specs: string[];

  beforeAll(async () => {
    const all = await readdir(join(ROOT, 'docs'), { recursive: true });
    const ours = all.filter(
      (path) => path.endsWith('.md') && !NOT_OURS.test(path) && !IN_SERIES.has(path),
    );
    pages = await Promise.all(ours.map((path) => readPage(`docs/${path}`)));
    await Promise.all(pages.map(writePage));
    const folder = join(ROOT, 'test/docs');
    const files = (await readdir(folder)).filter(
      (name) => name.endsWith('.spec.ts') && name !== 'documented.spec.ts',
    );
    specs = await Promise.all(files.map((name) => readFile(join(folder, name), 'utf8')));
  });

  it('is all in named files', () => {
    expect(pages.flatMap(strayCodeOf)).toEqual([]);
    expect(pages.filter(({ files }) => files.size > 0).length).toBeGreaterThan(10);
  });

  it('compiles under strict and exactOptionalPropertyTypes', () => {
    expect(complaintsOf(pages)).toEqual([]);
  });

  it('is run by a spec of its page', () => {
    expect(pages.flatMap((page) => unrun(page, specs))).toEqual([]);
  });

  it.each([
    '```ts\nconst nameless = true;\n```\n',
    '1. ```js\n   const indented = true;\n   ```\n',
    '   ```typescript\n   // indented.ts\n   ```\n',
  ])('is found to be in no named file when a page has %j', (text) => {
    expect(strayCodeOf(pageOf('docs/twin.md', text))).toHaveLength(1);
  });

  it('is found not to compile when an option is misspelt, and to be run by no spec', async () => {
    const snippet = `\`\`\`ts
// twin.ts
import { TwoFactorModule } from 'nestjs-two-factor';

export const twin = TwoFactorModule.forRoot({ ttlSecond: 60 });
\`\`\`
`;
    const twin = pageOf('docs/twin.md', snippet);
    await writePage(twin);

    expect(complaintsOf([twin])).toEqual([expect.stringContaining("'ttlSecond' does not exist")]);
    expect(unrun(twin, specs)).toEqual(['docs/twin.md is run by no spec of test/docs.']);
    expect(unrun(twin, ["readPage('docs/twin.md')"])).toEqual([
      'twin.ts of docs/twin.md is never loaded.',
    ]);
  });
});

/** Pages without a spec, and files of a page that neither its specs nor another file of the page loads. */
function unrun({ path, files }: Page, specs: readonly string[]): string[] {
  if (files.size === 0) return [];
  const spec = specs.filter((text) => text.includes(`readPage('${path}')`)).join('');
  if (spec === '') return [`${path} is run by no spec of test/docs.`];
  const sources = [...files.values()].join('');
  return [...files.keys()]
    .filter((name) => name !== 'app.module.ts' && !spec.includes(`'${name}'`))
    .filter((name) => !sources.includes(`'./${name.replace(/ts$/, 'js')}'`))
    .map((name) => `${name} of ${path} is never loaded.`);
}

/** Files of the source, changed. */
async function plant(
  changes: readonly (readonly [path: string, what: RegExp, into: string])[],
): Promise<Record<string, string>> {
  const texts = changes.map(async ([path, what, into]) => {
    const text = await readFile(join(ROOT, path), 'utf8');
    const changed = text.replace(what, into);
    expect(changed, path).not.toBe(text);
    return [path, changed] as const;
  });
  return Object.fromEntries(await Promise.all(texts));
}
