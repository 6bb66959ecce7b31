// Refuses regular expressions that a text can make slow, in all sources of the folders that it is given:
//
//   node test/lint/regular-expressions.js lib sample-app
//
// Node matches by backtracking, on the one thread that serves all requests. An expression whose time grows faster than
// the text that it reads lets one request stop the process. So every literal must be proved linear by recheck, and no
// expression may be made at run time, where it would be made of what a client or a provider sends.
import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';

import ts from 'typescript';

// Its part in JavaScript: the faster ones are programs that npm may leave out.
process.env.RECHECK_SYNC_BACKEND = 'pure';
const { checkSync } = await import('recheck');

const SOURCE = /\.[cm]?[jt]s$/;
const SKIPPED = new Set(['node_modules', 'dist', 'data']);
/** Methods that make an expression of a string, and the decorator of class-validator that does. */
const TAKES_EXPRESSION = new Set(['match', 'matchAll', 'search', 'Matches']);
const PROOF_TIMEOUT_MS = 10_000;

/** @param {string} folder */
function sourcesIn(folder) {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => SOURCE.test(name) && !name.split(sep).some((part) => SKIPPED.has(part)))
    .map((name) => join(folder, name))
    .map((path) =>
      ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true),
    );
}

/** @param {ts.Node} root @returns {ts.Node[]} */
function nodesOf(root) {
  const nodes = [root];
  root.forEachChild((child) => void nodes.push(...nodesOf(child)));
  return nodes;
}

/** @param {ts.Node} node */
function placeOf(node) {
  const file = node.getSourceFile();
  const { line } = file.getLineAndCharacterOfPosition(node.getStart());
  return `${file.fileName}:${line + 1}`;
}

/** The constants that are an expression, by their names. @param {readonly ts.Node[]} nodes */
function namesOfExpressions(nodes) {
  const named = nodes.filter(
    (node) =>
      ts.isVariableDeclaration(node) &&
      (ts.getCombinedNodeFlags(node) & ts.NodeFlags.Const) !== 0 &&
      node.initializer !== undefined &&
      ts.isRegularExpressionLiteral(node.initializer),
  );
  return new Set(named.map((node) => node.name.getText()));
}

/** @param {ts.Node} node @param {Set<string>} names */
function madeAtRunTime(node, names) {
  // Also what only passes the constructor on, such as `globalThis.RegExp`.
  if (ts.isIdentifier(node) && node.text === 'RegExp' && !isTypeOrTest(node)) {
    return [
      `${placeOf(node)} makes a regular expression at run time. Write a literal, or search the text without one.`,
    ];
  }
  if (!ts.isCallExpression(node)) return [];
  const [expression] = node.arguments;
  const called = ts.isPropertyAccessExpression(node.expression)
    ? node.expression.name
    : node.expression;
  const isLiteral =
    expression === undefined ||
    ts.isRegularExpressionLiteral(expression) ||
    (ts.isIdentifier(expression) && names.has(expression.text));
  return TAKES_EXPRESSION.has(called.getText()) && !isLiteral
    ? [
        `${placeOf(node)} may make a regular expression of a string. Give ${called.getText()} a literal or a constant that is one.`,
      ]
    : [];
}

/** @param {ts.Identifier} identifier */
function isTypeOrTest({ parent }) {
  return (
    ts.isTypeReferenceNode(parent) ||
    (ts.isBinaryExpression(parent) && parent.operatorToken.kind === ts.SyntaxKind.InstanceOfKeyword)
  );
}

/** Without look-around and repetitions that have no end: it reads so many characters and no more. @param {string} source */
function isBounded(source) {
  const bare = source.replaceAll(/\\./g, '').replaceAll(/\[[^\]]*\]/g, '');
  return !/[*+]|,\}|\(\?[=!<]/.test(bare);
}

/** @param {ts.RegularExpressionLiteral} literal */
function complaintAbout(literal) {
  const end = literal.text.lastIndexOf('/');
  const [source, flags] = [literal.text.slice(1, end), literal.text.slice(end + 1)];
  const { status, checker, complexity, error, attack } = checkSync(source, flags, {
    timeout: PROOF_TIMEOUT_MS,
    attackTimeout: 1_000,
  });
  const where = `${placeOf(literal)} ${literal.text}`;
  if (status === 'vulnerable') {
    return [
      `${where} takes ${complexity.summary} time, for example on ${attack.pattern}. Write it without repetitions that can match the same characters, or search the text without it.`,
    ];
  }
  // Those that repeat up to a number have too many states for a proof; recheck then tries texts that it breeds.
  if (status === 'unknown' || (checker !== 'automaton' && !isBounded(source))) {
    return [
      `${where} cannot be proved linear (${error?.kind ?? checker}). Write it without look-around and back references.`,
    ];
  }
  return [];
}

const files = process.argv.slice(2).flatMap(sourcesIn);
const nodes = files.flatMap(nodesOf);
const names = namesOfExpressions(nodes);
const literals = nodes.filter((node) => ts.isRegularExpressionLiteral(node));
const complaints = [
  ...nodes.flatMap((node) => madeAtRunTime(node, names)),
  ...literals.flatMap(complaintAbout),
];
for (const complaint of complaints) process.stderr.write(`${complaint}\n`);
process.stdout.write(
  `${literals.length} regular expressions in ${files.length} files, ${complaints.length} complaints.\n`,
);
// A misspelt folder must not pass.
process.exitCode = complaints.length > 0 || files.length === 0 ? 1 : 0;
