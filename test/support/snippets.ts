// The TypeScript of a page of documentation: written out, type-checked as a reader's project would be, and loaded.
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import type { Type } from '@nestjs/common';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** Of each worker, since two of them may write one page. */
const FOLDER = join(ROOT, '.tmp/snippets', process.env['VITEST_POOL_ID'] ?? '0');

const FILE = /^```tsx?\n\/\/ (\S+\.tsx?)\n([\s\S]*?)^```$/gm;
/** Whatever a reader would take for code of ours, also within a list or with a title. */
const CODE =
  /^[ \t>*+-]*(?:\d+\.[ \t]+)?(?:```|~~~)[ \t]*(?:[jt]sx?|[cm][jt]s|javascript|typescript)\b/gim;

/** A page, and its files by name. */
export interface Page {
  readonly path: string;
  readonly text: string;
  readonly files: ReadonlyMap<string, string>;
  /** Where the files are written. */
  readonly folder: string;
}

const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), (file) =>
  ts.sys.readFile(file),
) as { config: { compilerOptions: { paths: Record<string, string[]> } } };

const COMPILER_OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  experimentalDecorators: true,
  emitDecoratorMetadata: true,
  useDefineForClassFields: false,
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: true,
  noEmit: true,
  types: ['node'],
  jsx: ts.JsxEmit.ReactJSX,
  // What readers import is what is here.
  paths: Object.fromEntries(
    Object.entries(config.compilerOptions.paths).map(([name, files]) => [
      name,
      files.map((file) => join(ROOT, file)),
    ]),
  ),
};

/** @param path below the root. */
export async function readPage(path: string): Promise<Page> {
  return pageOf(path, await readFile(join(ROOT, path), 'utf8'));
}

export function pageOf(path: string, text: string): Page {
  const files = [...text.matchAll(FILE)].map(
    ([, name, source]) => [name ?? '', source ?? ''] as const,
  );
  return { path, text, files: new Map(files), folder: join(FOLDER, path.replace(/\.md$/, '')) };
}

/** What is wrong with how a page shows its code. */
export function strayCodeOf({ path, text, files }: Page): string[] {
  const blocks = text.match(CODE)?.length ?? 0;
  if (blocks === files.size) return [];
  return [
    `${path} has ${blocks} blocks of code and ${files.size} files. Begin each with \`\`\`ts and "// a-name-of-its-own.ts".`,
  ];
}

/** Writes a page's files, and what they compile to. */
export async function writePage({ files, folder }: Page): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  for (const [name, source] of files) {
    await writeFile(join(folder, name), source);
    const { outputText } = ts.transpileModule(source, {
      compilerOptions: { ...COMPILER_OPTIONS, module: ts.ModuleKind.ESNext, noEmit: false },
    });
    await writeFile(join(folder, name.replace(/tsx?$/, 'js')), outputText);
  }
}

/** What the compiler says of pages that are written. */
export function complaintsOf(pages: readonly Page[]): string[] {
  const files = pages.flatMap(({ files, folder }) =>
    [...files.keys()].map((name) => join(folder, name)),
  );
  const program = ts.createProgram(files, COMPILER_OPTIONS);
  return ts
    .getPreEmitDiagnostics(program)
    .filter(({ file }) => file?.fileName.startsWith(FOLDER))
    .map(({ file, messageText }) => {
      const where = file?.fileName.slice(FOLDER.length + 1) ?? '';
      return `${where}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
    });
}

/** Loads one of a written page's files. */
export async function load<Exports = Record<string, Type<object>>>(
  { folder }: Page,
  name: string,
): Promise<Exports> {
  const file = join(folder, name.replace(/ts$/, 'js'));
  return (await import(/* @vite-ignore */ pathToFileURL(file).href)) as Exports;
}
