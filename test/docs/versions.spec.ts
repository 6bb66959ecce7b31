// docs/versions.md calls tested what CI runs, and nothing else: the page is compared with the workflows, the matrix and package.json.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

import { NODES, TYPEORMS } from '../matrix/cells.js';

interface Manifest {
  readonly engines: { readonly node: string };
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta: Readonly<Record<string, { readonly optional: boolean }>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}
interface Workflow {
  readonly jobs: Readonly<
    Record<string, { readonly services?: Readonly<Record<string, { readonly image: string }>> }>
  >;
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string): Promise<string> => readFile(join(ROOT, path), 'utf8');
const page = await read('docs/versions.md');
const manifest = JSON.parse(await read('package.json')) as Manifest;
const engines = JSON.parse(await read('test/engines/package.json')) as {
  readonly optionalDependencies: Readonly<Record<string, string>>;
};

/** The rows of the tables of a page, by the text of their first cell. */
function rowsOf(text: string): Map<string, readonly string[]> {
  const rows = text
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll('`', '')),
    );
  return new Map(rows.map(([name = '', ...cells]) => [name, cells]));
}

/** `5.40` of `^5.40.0`, and `7` of `>=7`. */
const short = (range: string): string => range.replace(/^(?:\^|>=)/, '').replace(/(?:\.0)+$/, '');

/** A range of package.json in words: `11 or 12`, `1.3 and later`. */
function wordsOf(range: string): string {
  const parts = range.split(' || ').map(short);
  return parts.length === 1 ? `${parts[0]} and later` : parts.join(' or ');
}

const minor = (version: string): string => /\d+\.\d+/.exec(version)![0];

/** The tag of a service's image, which must be the same in all workflows that have it. */
async function imageTag(service: string): Promise<string> {
  const files = ['.github/workflows/ci.yml', '.github/workflows/long.yml'];
  const workflows = await Promise.all(
    files.map(async (file) => parse(await read(file)) as Workflow),
  );
  const images = workflows
    .flatMap(({ jobs }) => Object.values(jobs))
    .flatMap(({ services }) => services?.[service]?.image ?? []);
  const [tag, ...others] = new Set(images.map((image) => image.split(':')[1]!));
  expect([service, images.length, others]).toEqual([service, 2, []]);
  return tag!;
}

/** The versions that CI runs, as the page words them. */
async function testedVersions(): Promise<Record<string, string>> {
  const results = await read('test/matrix/RESULTS.md');
  const nests = new Set(
    Array.from(results.matchAll(/^\| Nest 11 \w+ +\| (\S+)/gm), ([, version]) => minor(version!)),
  );
  const [, mysql] = /A MySQL (\d+) for the tests/.exec(await read('test/support/mysql-server.sh'))!;
  const sqlite = engines.optionalDependencies['better-sqlite3']!;
  return {
    Node: NODES.join(', '),
    Nest: [...nests, minor(manifest.devDependencies['@nestjs/core']!)].join(', '),
    TypeORM: TYPEORMS.map((version) => (version.startsWith('0.') ? version : minor(version))).join(
      ', ',
    ),
    PostgreSQL: await imageTag('postgres'),
    MariaDB: await imageTag('mariadb'),
    MySQL: mysql!,
    SQLite: `better-sqlite3 ${/\d+/.exec(sqlite)![0]}, sql.js ${minor(manifest.devDependencies['sql.js']!)}`,
  };
}

async function complaintsOf(text: string): Promise<string[]> {
  const rows = rowsOf(text);
  const tested = Object.entries(await testedVersions())
    .filter(([name, versions]) => rows.get(name)?.[0] !== versions)
    .map(
      ([name, versions]) =>
        `${name}: CI runs ${versions}, and the page says ${rows.get(name)?.[0]}`,
    );
  const ranges = {
    Node: manifest.engines.node,
    Nest: manifest.peerDependencies['@nestjs/core']!,
    TypeORM: manifest.peerDependencies['typeorm']!,
  };
  const expected = Object.entries(ranges)
    .filter(([name, range]) => rows.get(name)?.[1] !== wordsOf(range))
    .map(([name, range]) => `${name}: package.json has ${wordsOf(range)}`);
  const redis = await imageTag('redis');
  const optional = Object.keys(manifest.peerDependenciesMeta).flatMap((name) => {
    const [, allowed, version = ''] = rows.get(name) ?? [];
    const installed = short(manifest.devDependencies[name]!);
    const [number = ''] = version.split(' ');
    return [
      ...(allowed === wordsOf(manifest.peerDependencies[name]!) ? [] : [`${name}: ${allowed}`]),
      ...(number !== '' && `${installed}.0.0`.startsWith(`${number}.`)
        ? []
        : [`${name}: ${installed} is installed, and the page says ${version}`]),
      ...(version.includes('Redis 7') && redis !== '7' ? [`${name}: CI runs Redis ${redis}`] : []),
    ];
  });
  return [...tested, ...expected, ...optional];
}

describe('docs/versions.md', () => {
  it('lists as tested what CI runs, and as allowed what package.json allows', async () => {
    expect(await complaintsOf(page)).toEqual([]);
  });

  it.each<[string, RegExp, string, string]>([
    [
      'another server than that of CI',
      /(\| PostgreSQL +\| )17/,
      '$115',
      'PostgreSQL: CI runs 17, and the page says 15',
    ],
    [
      'a Node that no cell has',
      /20, 22, 24/,
      '20, 22, 24, 26',
      'Node: CI runs 20, 22, 24, and the page says 20, 22, 24, 26',
    ],
    ['a range that package.json has not', /5\.40 or 6/, '5.0 or 6', 'bullmq: 5.0 or 6'],
  ])('reports a planted fault: %s', async (_, what, into, complaint) => {
    const text = page.replace(what, into);
    expect(text).not.toBe(page);
    expect(await complaintsOf(text)).toContain(complaint);
  });
});
