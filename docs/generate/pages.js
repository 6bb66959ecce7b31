import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

import { ROOT } from './read-source.js';

const DOCS = fileURLToPath(new URL('..', import.meta.url));

/** Files of the repository that the site shows too, and the path of each on the site. */
export const COPIES = {
  'SECURITY.md': 'project/reporting.md',
  'CHANGELOG.md': 'project/changelog.md',
  'CONTRIBUTING.md': 'project/contributing.md',
  'bench/README.md': 'project/benchmark.md',
};

/** Writes the pages that are generated from the source, or are copies of files elsewhere in the repository. */
export function writePages(source) {
  write('reference/options.md', optionsPage(source.options));
  write('reference/errors.md', errorsPage(source.errors));
  for (const [path, text] of slugPages(source.errors)) write(path, text);
  for (const [from, to] of Object.entries(COPIES)) write(to, copy(from, to));
}

function write(path, text) {
  const file = join(DOCS, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

/** @returns the reference of the options, as Markdown. */
export function optionsPage(tables) {
  return `${head('stacked options')}# Options

\`TwoFactorModule.forRoot(options)\`, or \`forRootAsync({ useFactory | useClass | useExisting, inject, imports })\`. An option that
makes the module unsafe stops the boot with a sentence that names the remedy. All are optional except those marked _required_; production
also requires \`secret\` or \`secrets\` too.

Each scalar is overridden by its environment variable, read once, at boot. A variable that makes an option less safe than
the code sets it stops the boot; \`env: false\` reads none.

${tables.map(optionsTable).join('\n')}`;
}

function optionsTable({ entry, name, text, rows }) {
  const lines = rows.map((row) => {
    const variable = row.variable ? `<br>Environment: \`${row.variable}\`` : '';
    return line([anchored(name, row.name), fallbackOf(row), `${cell(sentenceOf(row))}${variable}`]);
  });
  const where = entry === 'nestjs-two-factor' ? '' : `\n\nFrom \`${entry}\`.`;
  return `## ${name}

${escape(text)}${where}

| option | default | |
| --- | --- | --- |
${lines.join('\n')}
`;
}

/** A link of its own for each option: `options#two-factor-module-options-ttl-seconds`. */
function anchored(table, option) {
  const id = `${table}-${option}`.replaceAll(/[A-Z]/g, (letter) => `-${letter}`).toLowerCase();
  return `<a id="${id.slice(1)}"></a>\`${option}\``;
}

function fallbackOf({ default: fallback, isOptional }) {
  if (fallback === undefined) return isOptional ? '' : '_required_';
  // Words are prose; anything else is a value.
  return /^(?:none|the |`|5 an|10 an|1,000 an)/.test(fallback)
    ? cell(fallback)
    : `\`${fallback.replaceAll('|', '\\|')}\``;
}

const sentenceOf = ({ text, name }) => (text === '' ? `See its name: \`${name}\`.` : text);

/** @returns the table of the errors, as Markdown. */
export function errorsPage({ classes, others }) {
  const rows = classes.flatMap(({ name, text, codes }) =>
    codes.map(({ code, status, title }, index) =>
      line([
        `${index === 0 ? `[\`${name}\`](#${name.toLowerCase()})<br>` : ''}${slugLink(code)}`,
        status === 500 ? 'boot, 500' : String(status),
        cell(index === 0 ? firstSentence(text) : title),
      ]),
    ),
  );
  const withoutClass = others.map(({ code, status, title }) =>
    line([slugLink(code), String(status), cell(title)]),
  );
  return `${head('stacked errors')}# Errors

All extend \`TwoFactorError\`. \`code\` is a stable slug to switch on; messages may be reworded in any release. None contains a
code, a secret or a full token. \`confirm\` and \`check\` answer values instead: a wrong code is \`[state, false]\`.

| class, \`code\` | HTTP | when |
| --- | --- | --- |
${[...rows, ...withoutClass].join('\n')}

Over HTTP the controller answers \`application/problem+json\` (RFC 9457), and so does \`TwoFactorExceptionFilter\` on your
own routes. \`error\` is the slug:

\`\`\`json
{
  "type": "urn:nestjs-two-factor:code-mismatch",
  "title": "The code is wrong.",
  "status": 422,
  "error": "code-mismatch",
  "instance": "urn:uuid:7f3c1f0e-6f0c-4a58-9b7b-0c6b1a0a4f52",
  "attemptsLeft": 4
}
\`\`\`

\`instance\` names this very occurrence; the log has it beside what was wrong. With \`too-many-requests\`, \`send-failed\` and
\`temporarily-unavailable\` comes \`retryAfter\`, in seconds, as in the header \`Retry-After\`; with \`send-failed\` the \`id\` to
resend and \`resendAt\`.

${classes.map(errorSection).join('\n')}`;
}

/**
 * A page for each slug: its facts from the source, and its cause and remedy from `docs/errors.md`, the one place where they are
 * written.
 *
 * @returns {[path: string, text: string][]}
 * @throws {Error} for a slug without a cause and a remedy there, and for a section without a slug.
 */
export function slugPages(
  { classes, others },
  text = readFileSync(join(DOCS, 'errors.md'), 'utf8'),
) {
  const written = remediesOf(text);
  const slugs = [
    ...classes.flatMap(({ name, codes }) => codes.map((each) => ({ ...each, class: name }))),
    ...others,
  ];
  const known = new Set(slugs.map(({ code }) => code));
  const missing = [...known].filter((code) => !written.has(code));
  const unknown = [...written.keys()].filter((code) => !known.has(code));
  if (missing.length + unknown.length > 0) {
    throw new Error(
      `docs/errors.md lacks cause and remedy of ${missing.join(', ') || 'none'}, and describes ${unknown.join(', ') || 'none'}, which is no slug.`,
    );
  }
  return slugs.map((slug) => [
    `reference/errors/${slug.code}.md`,
    slugPage(slug, written.get(slug.code)),
  ]);
}

/** The sections `### slug` of the page of errors. Links are those of a page two folders deeper. */
function remediesOf(text) {
  const sections = text.split(/^(?=#{2,3} )/m).filter((section) => /^### [a-z-]+\n/.test(section));
  return new Map(
    sections.map((section) => {
      const [heading, ...lines] = section.trim().split('\n');
      const body = lines
        .join('\n')
        .trim()
        .replaceAll('](./', '](../../')
        .replaceAll('](#', '](../../errors.md#');
      return [heading.slice('### '.length), body];
    }),
  );
}

/** As `lib/http/refusal-log.ts` logs it. */
function levelOf(code, status) {
  if (status >= 500) return 'error';
  return code === 'unknown-secret' ? 'warn' : 'debug';
}

function slugPage({ code, status, title, class: name }, body) {
  const thrown =
    name === undefined
      ? ''
      : ` In code: [\`${name}\`](../errors.md#${name.toLowerCase()}), \`error.code === '${code}'\`.`;
  return `${head('slug')}# ${code}

HTTP ${status}: “${title}”${thrown}

${body}

\`\`\`json
{
  "type": "urn:nestjs-two-factor:${code}",
  "title": "${title}",
  "status": ${status},
  "error": "${code}",
  "instance": "urn:uuid:7f3c1f0e-6f0c-4a58-9b7b-0c6b1a0a4f52"
}
\`\`\`

Search the log for \`instance\`: it has the reason beside it, at the level ${levelOf(code, status)}. [All errors](../errors.md)
`;
}

function errorSection({ name, text, codes, facts }) {
  const list = facts.map((fact) => `- \`${fact.name}\`: ${escape(fact.text)}`).join('\n');
  const problems = codes
    .map(({ code, status, title }) => `\`${code}\`, HTTP ${status}: “${title}”`)
    .join('\n- ');
  return `## ${name}

${escape(text)}

- ${problems}
${list === '' ? '' : `${list}\n`}`;
}

const slugLink = (code) => `[\`${code}\`](./errors/${code}.md)`;

const head = (pageClass) => `---
pageClass: ${pageClass}
---

<!-- Generated from the source by docs/generate. -->

`;

const firstSentence = (text) => /^.*?[.:](?= |$)/.exec(text)?.[0].replace(/:$/, '.') ?? text;
const line = (cells) => `| ${cells.join(' | ')} |`;
const cell = (text) => escape(text).replaceAll('|', '\\|');

/** Vue interprets text outside of code, so that \`{{\` and \`<\` must be escaped there. */
function escape(text) {
  return text
    .split(/(`[^`]*`)/)
    .map((part) =>
      part.startsWith('`') ? part : part.replaceAll('<', '&lt;').replaceAll('{{', '&#123;&#123;'),
    )
    .join('');
}

/** A file of the repository with links to the pages of the site. A link to a file that the site does not have becomes text. */
function copy(from, to) {
  const text = readFileSync(join(ROOT, from), 'utf8');
  const body = text.replaceAll(/\[([^\]]+)\]\((?!https?:|#)([^)\s]+)\)/g, (_, label, target) => {
    const [path, anchor] = posix.join(posix.dirname(from), target).split('#');
    const page =
      COPIES[path] ?? (path.startsWith('docs/') ? path.slice('docs/'.length) : undefined);
    if (page === undefined) return label;
    const href = posix.relative(posix.dirname(to), page);
    return `[${label}](${href.startsWith('.') ? href : `./${href}`}${anchor ? `#${anchor}` : ''})`;
  });
  return `${head('copied')}${body}`;
}
