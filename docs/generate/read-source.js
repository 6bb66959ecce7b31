import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import ts from 'typescript';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Interfaces that a reader fills in: each has a table in the reference of the options. */
const OPTIONS = /(?:Options|Extras|Overrides|Contract|Definition|SendLimit)$/;
/** `TwoFactorModuleOptions` extends it, and its table has these members too. */
const BASES = new Set(['TwoFactorOptions']);
/** The first tables; the others follow in the order of the entries. */
const FIRST = ['TwoFactorModuleOptions', 'TwoFactorModuleExtras', 'SenderDefinition'];
/** Options with a variable of the environment that are no scalar settings: a list, and bytes. */
const ALSO_VARIABLES = new Set(['secret', 'secrets']);

/**
 * Reads options, errors and exports from the source, and reports those without documentation.
 *
 * @param {Readonly<Record<string, string>>} [overlay] texts that replace files, by their path below the root.
 */
export function readSource(overlay = {}) {
  const compilerOptions = readCompilerOptions();
  const entries = readEntries(compilerOptions);
  const program = createProgram(compilerOptions, entries, overlay);
  const checker = program.getTypeChecker();
  const gaps = [];

  const exported = entries.map(({ name, file }) => ({
    name,
    file,
    symbols: exportsOf(program, checker, file),
  }));
  for (const { name, symbols } of exported) {
    for (const symbol of symbols) {
      if (textOf(symbol, checker) === '') gaps.push(`${name}: ${symbol.name} has no sentence.`);
    }
  }
  const symbols = exported.flatMap((entry) => entry.symbols);
  const settings = namesIn(program, 'lib/options/settings.ts', 'SETTINGS');
  return {
    gaps,
    entries: exported.map(({ name, file, symbols }) => ({
      name,
      file,
      exports: symbols.map((symbol) => symbol.name),
    })),
    options: readOptions(exported, settings, checker, gaps),
    errors: readErrors(symbols, readProblems(program), checker, gaps),
  };
}

function readCompilerOptions() {
  const file = join(ROOT, 'tsconfig.json');
  const { config } = ts.readConfigFile(file, (path) => ts.sys.readFile(path));
  // Without the files of the tests.
  return ts.parseJsonConfigFileContent({ ...config, include: [], files: [] }, ts.sys, ROOT).options;
}

/** The public entries of `exports`, and the files that they are built from. */
function readEntries({ paths = {} }) {
  const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  return Object.keys(exports)
    .filter((path) => path !== './package.json')
    .map((path) => {
      const name = `nestjs-two-factor${path.slice(1)}`;
      const source = paths[name]?.[0];
      if (source === undefined) {
        throw new Error(`The entry ${name} is not in the paths of tsconfig.json. Add it.`);
      }
      return { name, file: resolve(ROOT, source) };
    });
}

function createProgram(options, entries, overlay) {
  const host = ts.createCompilerHost(options);
  const texts = new Map(Object.entries(overlay).map(([path, text]) => [join(ROOT, path), text]));
  const readFile = host.readFile.bind(host);
  host.readFile = (file) => texts.get(file) ?? readFile(file);
  return ts.createProgram(
    entries.map(({ file }) => file),
    options,
    host,
  );
}

function exportsOf(program, checker, file) {
  const module = checker.getSymbolAtLocation(program.getSourceFile(file));
  return checker
    .getExportsOfModule(module)
    .map((symbol) =>
      symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol,
    );
}

/** A docstring in one line. */
function textOf(symbol, checker) {
  return ts
    .displayPartsToString(symbol.getDocumentationComment(checker))
    .replaceAll(/\s*\n\s*/g, ' ')
    .trim();
}

function tagOf(symbol, checker, name) {
  const tag = symbol.getJsDocTags(checker).find((found) => found.name === name);
  return tag && ts.displayPartsToString(tag.text).replaceAll(/\s+/g, ' ').trim();
}

function readOptions(exported, settings, checker, gaps) {
  const tables = exported.flatMap(({ name: entry, symbols }) =>
    symbols
      .filter((symbol) => symbol.flags & ts.SymbolFlags.Interface && OPTIONS.test(symbol.name))
      .filter(({ name }) => !BASES.has(name))
      .map((symbol) => readTable(entry, symbol, settings, checker, gaps)),
  );
  const rank = ({ name }) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length);
  return tables.toSorted((one, other) => rank(one) - rank(other));
}

function readTable(entry, symbol, settings, checker, gaps) {
  const isModule = symbol.name === 'TwoFactorModuleOptions';
  const members = checker.getPropertiesOfType(checker.getDeclaredTypeOfSymbol(symbol));
  // An inherited member has its row in the table of the base.
  const own = members.filter((member) => isModule || symbol.members.has(member.escapedName));
  const rows = own.map((member) => {
    const text = textOf(member, checker);
    const fallback = tagOf(member, checker, 'default');
    if (text === '' && fallback === undefined) {
      gaps.push(`${symbol.name}.${member.name} has no sentence.`);
    }
    const isVariable =
      isModule && (settings.includes(member.name) || ALSO_VARIABLES.has(member.name));
    const isOptional = (member.flags & ts.SymbolFlags.Optional) !== 0;
    return {
      name: member.name,
      text,
      default: fallback,
      isOptional,
      variable: isVariable ? variableOf(member.name) : undefined,
    };
  });
  return { entry, name: symbol.name, text: textOf(symbol, checker), rows };
}

/** As `lib/options/settings.ts` derives it. */
function variableOf(option) {
  return `TWO_FACTOR_${option.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

function readErrors(symbols, problems, checker, gaps) {
  const classes = symbols.filter(
    ({ flags, name }) => flags & ts.SymbolFlags.Class && /^TwoFactor\w*Error$/.test(name),
  );
  const documented = new Set();
  const errors = classes
    .filter(({ name }) => name !== 'TwoFactorError')
    .map((symbol) => {
      const members = checker.getPropertiesOfType(checker.getDeclaredTypeOfSymbol(symbol));
      const slugs = slugsOf(members, checker);
      if (slugs.length === 0) gaps.push(`${symbol.name} has no code of its own.`);
      const text = textOf(symbol, checker);
      for (const slug of slugs) {
        documented.add(slug);
        const status = problems.get(slug)?.status;
        if (status === undefined) {
          gaps.push(`${symbol.name}: the code ${slug} has no status in lib/http/problem.ts.`);
        } else if (text !== '' && status !== 500 && !text.includes(String(status))) {
          gaps.push(`${symbol.name}: the sentence does not say HTTP ${status}.`);
        }
      }
      const facts = members
        .filter((member) => isOwnFact(member, symbol))
        .map((member) => ({ name: member.name, text: textOf(member, checker) }));
      return {
        name: symbol.name,
        text,
        codes: slugs.map((code) => ({ code, ...problems.get(code) })),
        facts,
      };
    });
  const others = [...problems]
    .filter(([code]) => !documented.has(code))
    .map(([code, problem]) => ({ code, ...problem }));
  return { classes: errors, others };
}

function slugsOf(members, checker) {
  const code = members.find(({ name }) => name === 'code');
  const type = code && checker.getTypeOfSymbol(code);
  const types = type?.isUnion() ? type.types : [type];
  return types.flatMap((part) => (part?.isStringLiteral() ? [part.value] : []));
}

function isOwnFact(member, symbol) {
  return member.name !== 'code' && member.parent === symbol;
}

/** @returns {Map<string, { status: number, title: string }>} by slug, from `lib/http/problem.ts`. */
function readProblems(program) {
  const literal = literalOf(program, 'lib/http/problem.ts', 'PROBLEMS');
  return new Map(
    literal.properties.map(({ name, initializer }) => {
      const [status, title] = initializer.elements;
      return [name.text, { status: Number(status.text), title: title.text }];
    }),
  );
}

function namesIn(program, path, constant) {
  return literalOf(program, path, constant).properties.map(({ name }) => name.text);
}

function literalOf(program, path, constant) {
  const file = program.getSourceFile(join(ROOT, path));
  for (const statement of file?.statements ?? []) {
    if (!ts.isVariableStatement(statement)) continue;
    for (const { name, initializer } of statement.declarationList.declarations) {
      if (name.getText(file) === constant && initializer) return unwrap(initializer);
    }
  }
  throw new Error(
    `${path} has no ${constant} any more. Correct its path in docs/generate/read-source.js.`,
  );
}

function unwrap(expression) {
  return ts.isAsExpression(expression) || ts.isSatisfiesExpression(expression)
    ? unwrap(expression.expression)
    : expression;
}
