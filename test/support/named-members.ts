import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import ts from 'typescript';

const LIB = fileURLToPath(new URL('../../lib', import.meta.url));

/** The members that a text names in backticks with their class, such as `QuotaLedger.consumeFailure`. `README.md` is none of them. */
export function namedMembers(text: string): string[] {
  return (
    Array.from(text.matchAll(/`(\w*[a-z]\w*\.#?[a-z]\w*)(?:\(\))?`/g), ([, name]) => name!)
      // A class begins with a capital letter, unlike a file or a property of a package.
      .filter((name) => /^[A-Z]/.test(name))
  );
}

/** Each member of a class or an interface of a source as `Class.member`, also a private one, as `Class.#member`. */
export function membersOf(source: string): string[] {
  const file = ts.createSourceFile('source.ts', source, ts.ScriptTarget.Latest, true);
  return file.statements.flatMap((statement) => {
    if (!ts.isClassDeclaration(statement) && !ts.isInterfaceDeclaration(statement)) return [];
    const owner = statement.name?.text ?? '';
    return statement.members.flatMap(({ name }) =>
      name && (ts.isIdentifier(name) || ts.isPrivateIdentifier(name))
        ? `${owner}.${name.text}`
        : [],
    );
  });
}

export async function membersOfLib(): Promise<ReadonlySet<string>> {
  const names = await readdir(LIB, { recursive: true });
  const sources = await Promise.all(
    names.filter((name) => name.endsWith('.ts')).map((name) => readFile(join(LIB, name), 'utf8')),
  );
  return new Set(sources.flatMap(membersOf));
}
