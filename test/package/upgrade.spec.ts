// An application moves from the packed candidate of 2026-11-28 to this tree: docs/upgrading.md names the successor of all that is gone,
// and its statements mend the database.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { DataSource } from 'typeorm';
import { describe, expect, it } from 'vitest';

import { TwoFactorConfigurationError } from '../../lib/index.js';
import { problem } from '../../lib/http/problem.js';
import { engines, openDatabase, type TestDatabase } from '../support/engines.js';
import { startApp } from '../support/test-app.js';
import { CANDIDATE } from './candidate.js';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string): Promise<string> => readFile(join(ROOT, path), 'utf8');

const page = await read('docs/upgrading.md');

/** The old names of the tables of the page, each with its successor. */
const successors = new Map(
  [...page.matchAll(/^\| (?:\w+ )?`(.+?)` +\| `(.+?)` +\|$/gm)].map(([, before, now]) => [
    before,
    now,
  ]),
);

const ENTRIES = {
  '.': 'lib/index.ts',
  './backends/email': 'lib/backends/email/index.ts',
  './event-emitter': 'lib/adapters/event-emitter/index.ts',
  './phone': 'lib/adapters/phone/index.ts',
  './rate-limiter-flexible': 'lib/adapters/rate-limiter-flexible/index.ts',
  './testing': 'lib/testing/index.ts',
} as const;

const namesIn = async (path: string): Promise<ReadonlySet<string>> =>
  new Set((await read(path)).match(/[\w-]+/g));

/** The old names that are gone and have no successor among the new ones. */
function lostOf(before: readonly string[], now: ReadonlySet<string>, prefix = ''): string[] {
  return before.filter((name) => {
    const successor = successors.get(`${prefix}${name}`)?.slice(prefix.length);
    return !now.has(name) && (successor === undefined || !now.has(successor));
  });
}

describe('The page about upgrading', () => {
  it.each(Object.entries(ENTRIES))(
    'names the successor of each export of %s that is gone',
    async (entry, path) => {
      const before = CANDIDATE.exports[entry as keyof typeof ENTRIES];
      expect(lostOf(before, await namesIn(path))).toEqual([]);
    },
  );

  it('names the successor of each option that is gone', async () => {
    const options = await namesIn('lib/options/two-factor-options.interface.ts');
    const limits = await namesIn('lib/options/limits-options.interface.ts');
    expect(lostOf(CANDIDATE.options, options)).toEqual([]);
    expect(lostOf(CANDIDATE.limits, limits, 'limits.')).toEqual([]);
    expect(lostOf(CANDIDATE.failures, limits, 'limits.failures.')).toEqual([]);
  });

  it('names the successor of each event, limit and problem that is gone', async () => {
    const events = await namesIn('lib/events/two-factor-event.interface.ts');
    const limits = await namesIn('lib/errors/two-factor-too-many-requests.error.ts');
    const known = [...CANDIDATE.slugs, ...successors.values()].filter(
      (slug) => slug !== undefined && problem(slug).title !== problem('unheard-of').title,
    );
    expect(lostOf(CANDIDATE.events, events)).toEqual([]);
    expect(lostOf(CANDIDATE.limitNames, limits)).toEqual([]);
    expect(lostOf(CANDIDATE.slugs, new Set(known as string[]))).toEqual([]);
  });

  it('would be found out: without its tables the successors are missing', () => {
    const options = new Set(['databaseTimeoutMs']);
    expect(lostOf(['timeoutMs'], options)).toEqual([]);
    expect(lostOf(['timeoutMs', 'colour'], new Set(['batching']))).toEqual(['timeoutMs', 'colour']);
  });
});

describe('An option of the candidate that is gone', () => {
  const limits = (name: string): object => ({ limits: { [name]: {} } });
  const gone = [
    ...['timeoutMs', 'join'].map((name) => ({ name, options: { [name]: 5_000 } })),
    ...['live', 'starter', 'sendsPerStarter', 'canonicalToken', 'guessing'].map((name) => ({
      name,
      options: limits(name),
    })),
    ...['lockFrom', 'stopAt'].map((name) => ({
      name,
      options: { limits: { failures: { [name]: 9 } } },
    })),
  ];

  it.each(gone)('stops the boot with its name: $name', async ({ name, options }) => {
    const boot = startApp({ options });
    await expect(boot).rejects.toThrow(TwoFactorConfigurationError);
    await expect(boot).rejects.toThrow(
      new RegExp(`There is no (?:option|limit|member of limits\\.failures):? ${name}\\. Known: `),
    );
  });
});

/** The tables of the candidate, with its migrations recorded as done. */
async function prepareCandidate(database: TestDatabase): Promise<void> {
  const dataSource = new DataSource({ ...database.options, migrations: [] });
  await dataSource.initialize();
  try {
    for (const [table, columns] of Object.entries(CANDIDATE.tables)) {
      await dataSource.query(`CREATE TABLE ${table} (${columns.join(', ')})`);
    }
    // It creates the table of TypeORM.
    await dataSource.runMigrations();
    const runner = dataSource.createQueryRunner();
    for (const migration of CANDIDATE.migrations) {
      const { query, values } = insertOf(dataSource, migration);
      await runner.query(query, values);
    }
    await runner.release();
  } finally {
    await dataSource.destroy();
  }
}

function insertOf(
  { driver }: DataSource,
  { timestamp, name }: { timestamp: number; name: string },
): { query: string; values: unknown[] } {
  const columns = ['timestamp', 'name'].map((column) => driver.escape(column)).join(', ');
  const values = [0, 1].map((index) => driver.createParameter('value', index)).join(', ');
  return {
    query: `INSERT INTO migrations (${columns}) VALUES (${values})`,
    values: [timestamp, name],
  };
}

describe.each(engines.filter((engine) => engine !== 'sqljs'))(
  'Tables of the candidate on %s',
  (engine) => {
    it('are named by the error of the first call, and replaced by the statements of the page', async () => {
      const database = await openDatabase(engine);
      const start = (): ReturnType<typeof startApp> =>
        startApp({ engine, database, dataSource: { migrationsRun: true } });
      try {
        await prepareCandidate(database);
        const before = await start();
        const request = before.twoFactor.request({ token: 'ann@example.com' });
        await expect(request).rejects.toThrow(TwoFactorConfigurationError);
        await expect(request).rejects.toThrow(/owner/);
        await before.close();

        const [, statements = ''] = /```sql\n(.*?)```/s.exec(page) ?? [];
        const dataSource = new DataSource(database.options);
        await dataSource.initialize();
        for (const statement of statements.split(';\n').filter(Boolean))
          await dataSource.query(statement);
        await dataSource.destroy();

        const after = await start();
        const { state } = await after.twoFactor.request({ token: 'ann@example.com' });
        expect((await after.confirmer.confirm(state.id, after.inbox.lastCode))[1]).toBe(true);
        expect(await after.confirmer.use(state)).toBe(true);
        await after.close();
      } finally {
        await database.drop();
      }
    });
  },
);
