// docs/comparison.md claims nothing without a source: ours link to a test, theirs to their own documentation and the day it was read.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const page = await readFile(join(ROOT, 'docs/comparison.md'), 'utf8');

/** Where each product is documented: no mirror of it, and no text of another author. */
const DOCUMENTATION: Readonly<Record<string, readonly string[]>> = {
  'better-auth': ['https://better-auth.com/docs/'],
  '@ackplus/nest-auth': ['https://github.com/ack-solutions/nest-auth'],
  'Ory Kratos': ['https://www.ory.com/docs/'],
  Auth0: ['https://auth0.com/docs/'],
  'Twilio Verify': ['https://www.twilio.com/docs/'],
};
const SECTIONS = [
  'Methods',
  'What a proof is for',
  'How messages leave',
  'Limits',
  'Races',
  'Speed',
];
const UNKNOWN = 'not found in its documentation';
const OURS = /^\.\.?\/(?:test|bench|speed)/;

interface Table {
  readonly name: string;
  readonly rows: readonly (readonly string[])[];
}

function tablesOf(text: string): Table[] {
  return text
    .split(/^## /m)
    .slice(1)
    .map((section) => ({
      name: section.split('\n')[0]!,
      rows: section
        .split('\n')
        .filter((line) => line.startsWith('|'))
        .slice(2)
        .map((line) =>
          line
            .split('|')
            .slice(1, -1)
            .map((cell) => cell.trim()),
        ),
    }))
    .filter(({ rows }) => rows.length > 0);
}

const linksOf = (cell: string): string[] =>
  Array.from(cell.matchAll(/\]\(([^)\s]+)\)/g), ([, href]) => href!);

/** What is wrong with the sources of a page. */
function complaintsOf(text: string): string[] {
  return tablesOf(text).flatMap(({ name, rows }) => [
    ...missingProducts(rows).map((product) => `${name}: there is no row of ${product}`),
    ...rows.flatMap((row) => rowComplaints(row).map((complaint) => `${name}: ${complaint}`)),
  ]);
}

function missingProducts(rows: Table['rows']): string[] {
  const first = rows.map(([cell = '']) => cell);
  return ['**nestjs-two-factor**', ...Object.keys(DOCUMENTATION).map((name) => `[${name}]`)].filter(
    (name) => !first.some((cell) => cell.startsWith(name)),
  );
}

function rowComplaints([first = '', ...cells]: readonly string[]): string[] {
  if (first.startsWith('**')) {
    return cells
      .filter((cell) => !linksOf(cell).some(isProof))
      .map((cell) => `"${cell}" links to no test`);
  }
  const [, product = first] = /^\[([^\]]+)\]/.exec(first) ?? [];
  const hosts = DOCUMENTATION[product] ?? [];
  const isTheirs = (href: string): boolean => hosts.some((host) => href.startsWith(host));
  return [
    ...(linksOf(first).some(isTheirs) ? [] : [`${product} has no link`]),
    ...(/, read 20\d\d-[01]\d-[0-3]\d$/.test(first) ? [] : [`${product} has no date`]),
    ...cells
      .filter((cell) => !linksOf(cell).some(isTheirs) && !cell.includes(UNKNOWN))
      .map((cell) => `${product}: "${cell}" has no source`),
    ...cells
      .flatMap(linksOf)
      .filter((href) => !isTheirs(href) && !OURS.test(href))
      .map((href) => `${product}: ${href} is not its documentation`),
  ];
}

function isProof(href: string): boolean {
  return OURS.test(href) && existsSync(join(ROOT, 'docs', href.split('#')[0]!));
}

describe('docs/comparison.md', () => {
  it('compares methods, delivery, limits, races and speed', () => {
    expect(tablesOf(page).map(({ name }) => name)).toEqual(SECTIONS);
  });

  it('links each claim about this package to a test, and each about another product to its documentation, with a date', () => {
    expect(complaintsOf(page)).toEqual([]);
  });

  it('links to files of this repository that exist', () => {
    const ours = linksOf(page).filter((href) => href.startsWith('.'));
    expect(ours.length).toBeGreaterThan(15);
    expect(ours.filter((href) => !existsSync(join(ROOT, 'docs', href.split('#')[0]!)))).toEqual([]);
  });

  it.each<[string, (text: string) => string, string]>([
    [
      'a claim of ours without a test',
      (text) => text.replace(/\[5 of 1,000 are compared\]\([^)]+\)/, '5 of 1,000 are compared'),
      'Races: "5 of 1,000 are compared" links to no test',
    ],
    [
      'a test that is gone',
      (text) => text.replaceAll('engines/devices.spec.ts', 'engines/gadgets.spec.ts'),
      'Methods: "[yes](../test/engines/gadgets.spec.ts)" links to no test',
    ],
    [
      'a claim about another product without a source',
      (text) => text.replace(/\[30 days\]\([^)]+\)/, '30 days'),
      'Methods: better-auth: "30 days" has no source',
    ],
    [
      'a mirror of its documentation',
      (text) =>
        text.replace('https://auth0.com/docs/multi', 'https://auth0.mintlify.app/docs/multi'),
      'Methods: Auth0: https://auth0.mintlify.app/docs/multifactor-authentication/api is not its documentation',
    ],
    [
      'a row without a date',
      (text) => text.replace(/(\[Twilio Verify\]\([^)]+\)), read [\d-]+/, '$1'),
      'Methods: Twilio Verify has no date',
    ],
    [
      'a product that is left out',
      (text) => text.replace(/^\| \[Ory Kratos\].*\n/m, ''),
      'Methods: there is no row of [Ory Kratos]',
    ],
  ])('reports a planted fault: %s', (_, plant, complaint) => {
    expect(complaintsOf(plant(page))).toContain(complaint);
  });
});
