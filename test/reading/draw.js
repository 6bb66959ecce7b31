// Draws a sheet for the reading test: comments and identifiers of lib/, names of tests, and subjects of commits, by a seed.
// Readers who have not seen the code get the sheet and nothing else, and write what each entry means; another person
// compares the answers with the code. The method is described in test/README.md.
//
//   node test/reading/draw.js --seed 7 [--since <commit>] > sheet.md
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import ts from 'typescript';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    /** Subjects are drawn from the commits after this one. */
    since: { type: 'string', default: '' },
    comments: { type: 'string', default: '80' },
    identifiers: { type: 'string', default: '40' },
    tests: { type: 'string', default: '20' },
    commits: { type: 'string', default: '20' },
  },
});

/** Mulberry32: the same seed draws the same sheet on every machine. */
function randomOf(/** @type {number} */ seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const random = randomOf(Number(values.seed));

/** @template T @param {readonly T[]} from @param {number} count @returns {T[]} */
function draw(from, count) {
  const left = [...from];
  const drawn = [];
  while (drawn.length < count && left.length > 0) {
    drawn.push(...left.splice(Math.floor(random() * left.length), 1));
  }
  return drawn;
}

function filesOf(/** @type {string} */ folder, /** @type {RegExp} */ names) {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => names.test(name))
    .toSorted()
    .map((name) => ({
      name: join(folder, name),
      text: readFileSync(join(ROOT, folder, name), 'utf8'),
    }));
}

/** Comments with the line below them. Directives of tools are no comments. */
function commentsOf(/** @type {{ name: string, text: string }} */ { name, text }) {
  const lines = text.split('\n');
  const found = [];
  for (let at = 0; at < lines.length; at += 1) {
    if (!/^\s*(?:\/\/|\/\*)/.test(lines[at] ?? '')) continue;
    const from = at;
    if (/^\s*\/\*/.test(lines[at] ?? '')) while (!(lines[at] ?? '').includes('*/')) at += 1;
    else while (/^\s*\/\//.test(lines[at + 1] ?? '')) at += 1;
    const comment = lines.slice(from, at + 1).join('\n');
    if (/oxlint-|@ts-|prettier-ignore|@internal \*\/$/.test(comment)) continue;
    found.push({ where: `${name}:${from + 1}`, comment, below: lines[at + 1] ?? '' });
  }
  return found;
}

/** Names that a file declares: of functions, classes, types, constants and members. Local variables are left out. */
function identifiersOf(/** @type {{ name: string, text: string }} */ { name, text }) {
  const source = ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true);
  /** @type {{ where: string, identifier: string, line: string }[]} */
  const found = [];
  const add = (/** @type {ts.Node | undefined} */ node) => {
    if (!node) return;
    const { line } = source.getLineAndCharacterOfPosition(node.getStart());
    // A member is met in its class.
    const owner = ts.isClassLike(node.parent.parent) ? node.parent.parent.name?.text : undefined;
    found.push({
      where: `${name}:${line + 1}`,
      identifier: owner === undefined ? node.getText() : `${owner}.${node.getText()}`,
      line: text.split('\n')[line]?.trim() ?? '',
    });
  };
  const visit = (/** @type {ts.Node} */ node, /** @type {number} */ depth) => {
    if (
      ts.isFunctionDeclaration(node) ||
      ts.isClassDeclaration(node) ||
      ts.isInterfaceDeclaration(node) ||
      ts.isTypeAliasDeclaration(node) ||
      ts.isMethodDeclaration(node) ||
      ts.isPropertyDeclaration(node)
    ) {
      add(node.name);
    }
    if (ts.isVariableStatement(node) && depth === 1) {
      for (const { name: declared } of node.declarationList.declarations) {
        if (ts.isIdentifier(declared)) add(declared);
      }
    }
    if (!ts.isBlock(node)) ts.forEachChild(node, (child) => visit(child, depth + 1));
  };
  visit(source, 0);
  return found;
}

/** The names of tests as a report prints them: behind the titles of the suites around them. */
function testNamesOf(/** @type {{ name: string, text: string }} */ { name, text }) {
  /** @type {{ where: string, title: string }[]} */
  const found = [];
  const titleOf = (/** @type {ts.CallExpression} */ call) => {
    const [first] = call.arguments;
    return first && (ts.isStringLiteralLike(first) || ts.isTemplateExpression(first))
      ? first.getText().slice(1, -1)
      : undefined;
  };
  const visit = (/** @type {ts.Node} */ node, /** @type {readonly string[]} */ around) => {
    let suites = around;
    if (ts.isCallExpression(node)) {
      const callee = node.expression.getText();
      const title = titleOf(node);
      if (title !== undefined && callee.startsWith('describe')) suites = [...around, title];
      if (title !== undefined && /^it(?:\.each\b|$)/.test(callee) && !callee.endsWith('.each')) {
        found.push({ where: name, title: [...around, title].join(' > ') });
      }
    }
    ts.forEachChild(node, (child) => visit(child, suites));
  };
  visit(ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true), []);
  return found;
}

function subjects() {
  const range = values.since ? [`${values.since}..HEAD`] : [];
  return execFileSync('git', ['log', '--no-merges', '--format=%h %s', ...range], {
    cwd: ROOT,
    encoding: 'utf8',
  })
    .split('\n')
    .filter(Boolean);
}

const library = filesOf('lib', /\.ts$/);
const sheet = [
  `# Sheet of seed ${values.seed}`,
  '\n## Comments, each with the line below it\n',
  ...draw(library.flatMap(commentsOf), Number(values.comments)).map(
    ({ where, comment, below }, at) =>
      `C${at + 1} <!-- ${where} -->\n\n\`\`\`ts\n${comment}\n${below}\n\`\`\`\n`,
  ),
  '## Identifiers, each in the line that declares it\n',
  ...draw(library.flatMap(identifiersOf), Number(values.identifiers)).map(
    ({ where, identifier, line }, at) =>
      `I${at + 1} \`${identifier}\` in the line \`${line}\` <!-- ${where} -->`,
  ),
  '\n## Names of tests\n',
  ...draw(filesOf('test', /\.spec\.ts$/).flatMap(testNamesOf), Number(values.tests)).map(
    ({ where, title }, at) => `T${at + 1} ${title} <!-- ${where} -->`,
  ),
  '\n## Subjects of commits\n',
  ...draw(subjects(), Number(values.commits)).map((subject, at) => `S${at + 1} ${subject}`),
];
process.stdout.write(`${sheet.join('\n')}\n`);
