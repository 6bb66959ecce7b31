// Threat: a suite that runs without limits alone does not see what fails with the default options. Such a file needs a reason
// in test/README.md, so that a reviewer sees it.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Whether an expression is, or may become, `false`. */
function mayBeFalse(node: ts.Expression): boolean {
  if (ts.isAsExpression(node) || ts.isParenthesizedExpression(node)) {
    return mayBeFalse(node.expression);
  }
  if (ts.isConditionalExpression(node)) {
    return mayBeFalse(node.whenTrue) || mayBeFalse(node.whenFalse);
  }
  return node.kind === ts.SyntaxKind.FalseKeyword;
}

/** Whether a file switches the limits off: by the option, or by the variable that the rounds set. */
function switchesLimitsOff(text: string): boolean {
  const visit = (node: ts.Node): boolean => {
    if (
      ts.isPropertyAssignment(node) &&
      (ts.isIdentifier(node.name) || ts.isStringLiteral(node.name))
    ) {
      const { initializer, name } = node;
      if (name.text === 'limits' && mayBeFalse(initializer)) return true;
      if (name.text === 'TEST_LIMITS' && ts.isStringLiteral(initializer)) return true;
    }
    return ts.forEachChild(node, visit) ?? false;
  };
  return visit(ts.createSourceFile('file.ts', text, ts.ScriptTarget.Latest));
}

describe('Limits that a test switches off', () => {
  it('have a reason in test/README.md when a file sets limits: false, and no reason when none does', () => {
    const files = execFileSync(
      'git',
      ['ls-files', '-z', '-co', '--exclude-standard', 'test/*.ts'],
      { cwd: ROOT },
    )
      .toString()
      .split('\0')
      .filter(Boolean);
    const found = files.filter((file) =>
      switchesLimitsOff(readFileSync(`${ROOT}/${file}`, 'utf8')),
    );
    const readme = readFileSync(`${ROOT}/test/README.md`, 'utf8');
    const section = readme.slice(readme.indexOf('## Where the limits are off'));
    const rows = [...section.matchAll(/^\| `(test\/[^`]+)` +\| (.+?) +\|$/gm)];

    expect(files.length).toBeGreaterThan(150);
    expect(rows.map(([, file]) => file)).toEqual(
      found.filter((file) => file !== 'test/lint/limits-off.spec.ts').toSorted(),
    );
    for (const [, file, reason] of rows) {
      expect(reason, file).toMatch(/^(?:the subject: |in addition: |only in the rounds |.{40})/);
    }
  });

  it.each([
    'start({ limits: false })',
    'start({ options: { "limits": false as const } })',
    'start({ limits: (limited ? LIMITS : false) })',
    "config({ env: { TEST_LIMITS: 'false' } })",
  ])('are found in %s', (text) => {
    expect(switchesLimitsOff(text)).toBe(true);
  });

  it.each([
    'start({ limits: {} })',
    'start({ limits: { pending: false } })',
    '// limits: false',
    'const text = "limits: false"; type Limits = { limits: false };',
  ])('are not found in %s', (text) => {
    expect(switchesLimitsOff(text)).toBe(false);
  });
});
