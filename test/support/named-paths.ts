import { existsSync } from 'node:fs';

const ROOT = new URL('../../', import.meta.url);

/** The folders whose paths the pages name in full. */
export const FOLDERS = ['lib', 'test', 'build', 'docs', 'bench'] as const;

/** The paths below a folder that a text names in backticks, such as `test/engines/race`. */
export function namedPaths(text: string, folder: (typeof FOLDERS)[number]): string[] {
  return Array.from(text.matchAll(/`(\w+\/[\w./-]+)`/g), ([, path]) => path!).filter((path) =>
    path.startsWith(`${folder}/`),
  );
}

export function missingPaths(paths: readonly string[]): string[] {
  return paths.filter((path) => !existsSync(new URL(path, ROOT)));
}

/** The sections of a page whose headings begin with a letter and a number, such as `## I1 Single use`, by that name. */
export function numberedSections(markdown: string): Map<string, string> {
  const sections = markdown.split(/^##+ /m).map((part): [string, string] => {
    const name = /^[A-Z]\d{1,2}(?= )/.exec(part)?.[0] ?? '';
    return [name, part];
  });
  return new Map(sections.filter(([name]) => name !== ''));
}
