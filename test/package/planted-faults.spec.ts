// The table of `npm run test:planted` stays true between its nightly runs: each fault can still be planted, and the page that
// reviewers read shows the table.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { format, resolveConfig } from 'prettier';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

import { LISTS } from '../planted-faults/faults.js';
import { pageOf } from '../planted-faults/page.js';
import { withFault } from '../planted-faults/planted-fault.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PAGE = `${ROOT}docs/planted-faults.md`;
const FAULTS = LISTS.flatMap(({ faults }) => faults);
/** Each list with the number of its findings, and those of several parts, each of which has a fault of its own. */
const FINDINGS = [
  ['security', 13, [3, 4, 5, 6, 8, 10, 13]],
  ['deployments', 20, [1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 19, 20]],
] as const;

/**
 * Patterns of the texts of a spec that may be titles, and of the files of tests that it imports. A placeholder, such as `%s` or `$name`,
 * stands for any text.
 */
async function titlesOf(path: string, known = new Set<string>()): Promise<RegExp[]> {
  if (known.has(path) || !path.startsWith(`${ROOT}test/`)) return [];
  known.add(path);
  const titles: RegExp[] = [];
  const imported: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
      const { text } = node.moduleSpecifier;
      if (text.startsWith('.')) imported.push(resolve(dirname(path), text.replace('.js', '.ts')));
    } else if (ts.isStringLiteralLike(node)) {
      // A long title is joined from several texts: the first one is its beginning.
      titles.push(...patternsOf(ts.isBinaryExpression(node.parent) ? `${node.text}%s` : node.text));
    } else if (ts.isTemplateExpression(node)) {
      const texts = [node.head, ...node.templateSpans.map(({ literal }) => literal)];
      titles.push(...patternsOf(texts.map(({ text }) => text).join('%s')));
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, await readFile(path, 'utf8'), ts.ScriptTarget.Latest, true));
  const others = await Promise.all(imported.map((each) => titlesOf(each, known)));
  return [...titles, ...others.flat()];
}

/** The pattern of a title; none for a text that is too short to be one. */
function patternsOf(title: string): RegExp[] {
  const parts = title.split(/%[a-zA-Z]|\$[\w.]+/);
  if (parts.join('').length < 4) return [];
  const escaped = parts.map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`));
  return [new RegExp(`^${escaped.join('.*')}$`, 's')];
}

describe('The planted faults', () => {
  it.each(FINDINGS)(
    'of the list %s are one at least for each of its %i findings, and two at least for a finding of several parts',
    (name, count, ofSeveralParts) => {
      const { findings, faults } = LISTS.find((list) => list.name === name)!;
      const counts = findings.map(
        (_, index) => faults.filter(({ finding }) => finding === index + 1).length,
      );
      expect(counts).toHaveLength(count);
      expect(Math.min(...counts)).toBeGreaterThan(0);
      for (const finding of ofSeveralParts) {
        expect(counts[finding - 1], `${name} ${finding}`).toBeGreaterThan(1);
      }
      expect(faults).toHaveLength(counts.reduce((sum, each) => sum + each, 0));
    },
  );

  it.each(FAULTS)('can be planted, and have a spec that exists: $sentence', async (fault) => {
    const text = await readFile(ROOT + fault.file, 'utf8');
    expect(withFault(text, fault)).not.toBe(text);
    expect(existsSync(ROOT + fault.spec)).toBe(true);
    // A test that was renamed, or moved to another file, would find nothing.
    expect(await titlesOf(ROOT + fault.spec)).toSatisfy((titles: RegExp[]) =>
      titles.some((title) => title.test(fault.test.split(' > ').at(-1)!)),
    );
    expect(fault.sentence).toMatch(/^[A-Z@0-9].*\.$/);
  });

  it('are refused when the text to be replaced is in the file twice, or not at all', () => {
    const [fault] = FAULTS;
    for (const text of ['', `${fault!.replace}\n${fault!.replace}`]) {
      expect(() => withFault(text, fault!)).toThrow('instead of once');
    }
  });

  it('are those of docs/planted-faults.md', async () => {
    const page = await format(pageOf(LISTS), { ...(await resolveConfig(PAGE)), filepath: PAGE });
    await expect(page).toMatchFileSnapshot(PAGE);
  });
});
