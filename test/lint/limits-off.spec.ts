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

/**
 * How often a file switches the limits off: by the option, by a variable of that name, which is given as `{ limits }`, or by the
 * variable of the environment that the rounds set.
 */
function timesLimitsAreOff(text: string): number {
  const isOff = (node: ts.Node): boolean => {
    if (!isNamedValue(node) || node.initializer === undefined) return false;
    const { initializer, name } = node;
    if (!ts.isIdentifier(name) && !ts.isStringLiteral(name)) return false;
    if (name.text === 'TEST_LIMITS') return ts.isStringLiteral(initializer);
    return name.text === 'limits' && mayBeFalse(initializer);
  };
  let times = 0;
  const visit = (node: ts.Node): void => {
    if (isOff(node)) times += 1;
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile('file.ts', text, ts.ScriptTarget.Latest));
  return times;
}

function isNamedValue(
  node: ts.Node,
): node is ts.PropertyAssignment | ts.VariableDeclaration | ts.BindingElement {
  return (
    ts.isPropertyAssignment(node) || ts.isVariableDeclaration(node) || ts.isBindingElement(node)
  );
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
    const found = files
      .filter((file) => file !== 'test/lint/limits-off.spec.ts')
      .map((file) => [file, timesLimitsAreOff(readFileSync(`${ROOT}/${file}`, 'utf8'))] as const)
      .filter(([, times]) => times > 0);
    const readme = readFileSync(`${ROOT}/test/README.md`, 'utf8');
    const section = readme.slice(readme.indexOf('## Where the limits are off'));
    const rows = [...section.matchAll(/^\| `(test\/[^`]+)` +\| +(\d+) \| (.+?) +\|$/gm)];

    expect(files.length).toBeGreaterThan(150);
    expect(rows.map(([, file, times]) => [file, Number(times)])).toEqual(
      found.toSorted(([one], [other]) => (one < other ? -1 : 1)),
    );
    for (const [, file, , reason] of rows) {
      expect(reason, file).toMatch(/^(?:the subject: |in addition: |only in the rounds |.{40})/);
    }
  });

  it.each([
    'start({ limits: false })',
    'start({ options: { "limits": false as const } })',
    'start({ limits: (limited ? LIMITS : false) })',
    "config({ env: { TEST_LIMITS: 'false' } })",
    'const limits = false; start({ limits });',
    'function start({ limits = false }) {}',
  ])('are found in %s', (text) => {
    expect(timesLimitsAreOff(text)).toBe(1);
  });

  it.each([
    'start({ limits: {} })',
    'start({ limits: { pending: false } })',
    'const isOff = false; const limits = LIMITS;',
    '// limits: false',
    'const text = "limits: false"; type Limits = { limits: false };',
  ])('are not found in %s', (text) => {
    expect(timesLimitsAreOff(text)).toBe(0);
  });
});
