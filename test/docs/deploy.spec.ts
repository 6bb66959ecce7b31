// The statements of the page on a real server: clients of a platform that publishes tables read and write nothing, and the
// application works as the owner and as a role of its own.
import { Client } from 'pg';
import { getMetadataArgsStorage } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { DeliveryService, TWO_FACTOR_ENTITIES } from '../../lib/index.js';
import { enrolApp, METHODS } from '../support/authenticator.js';
import { ownServers, type OwnServer } from '../support/own-servers.js';
import { readPage } from '../support/snippets.js';
import { startApp, type TestApp } from '../support/test-app.js';

const { text } = await readPage('docs/guides/deploy.md');
const [asOwner = '', asApp = ''] = [...text.matchAll(/^```sql\n([\s\S]*?)^```$/gm)].map(
  ([, sql = '']) => sql,
);
/** All tables of this package, so that a table that is added later is missed on the page at once. */
const TABLES = getMetadataArgsStorage()
  .filterTables([...TWO_FACTOR_ENTITIES])
  .map(({ name }) => name!);

/** A life that reads and writes all four tables: a queued message, a wrong and a right code, and an authenticator app. */
async function life(test: TestApp): Promise<boolean> {
  const { app, twoFactor, confirmer, inbox, clock } = test;
  clock.advance(60);
  const { state } = await twoFactor.request({ token: 'ann@example.com', subject: 'ann' });
  expect(await app.get(DeliveryService, { strict: false }).sweep()).toBe(1);
  expect((await confirmer.confirm(state.id, 'WRONGCODE'))[1]).toBe(false);
  expect((await confirmer.confirm(state.id, inbox.lastCode))[1]).toBe(true);
  const byCode = await confirmer.use(state, { subject: 'ann' });

  subjects += 1;
  const { subject, app: authenticator } = await enrolApp(test, `subject-${subjects}`);
  const { id } = await confirmer.makeConfirmation({ subject, methods: ['totp'] });
  const response = { method: 'totp', code: authenticator.code() } as const;
  expect((await confirmer.confirm(id, response))[1]).toBe(true);
  return byCode && (await confirmer.use(id, { subject }));
}
let subjects = 0;

it.each(TABLES)('Both blocks of statements name the table %s', (table) => {
  const words = (sql: string): string[] => sql.match(/\w+/g) ?? [];
  expect(asOwner).toContain(`ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY;`);
  expect(words(/^REVOKE ALL ON ([^;]*);/m.exec(asOwner)![1]!)).toContain(table);
  expect(words(/^GRANT [^;]* ON ([^;]*);/m.exec(asApp)![1]!)).toContain(table);
  expect(asApp).toContain(`CREATE POLICY app ON ${table} TO app USING (true) WITH CHECK (true);`);
});

describe.each(ownServers.filter(({ engine }) => engine === 'postgres'))(
  'Tables that a platform publishes on $engine',
  ({ launch }) => {
    let server: OwnServer;
    let owner: TestApp;

    const startAs = (user: string): Promise<TestApp> => {
      const url = new URL(server.url);
      url.username = user;
      return startApp({
        database: {
          engine: 'postgres',
          options: { type: 'postgres', url: url.href },
          drop: async () => undefined,
        },
        options: { methods: METHODS, delivery: 'queued', worker: false },
        ...(user !== 'application' && { dataSource: { migrationsRun: false } }),
      });
    };

    /** What a client of the platform gets. */
    async function askAs(user: string, sql: string): Promise<unknown> {
      const url = new URL(server.url);
      url.username = user;
      const client = new Client(url.href);
      await client.connect();
      try {
        return (await client.query(sql)).rowCount;
      } catch (error) {
        return (error as { code: string }).code;
      } finally {
        await client.end();
      }
    }

    beforeAll(async () => {
      server = await launch([]);
      for (const role of ['anon', 'authenticated', 'app']) {
        await server.execute(`CREATE ROLE ${role} LOGIN`);
      }
      owner = await startAs('application');
      // As Supabase sets up its schema.
      await owner.dataSource.query(`GRANT ALL ON ${TABLES.join()} TO anon, authenticated`);
    });
    afterAll(async () => {
      await owner.close();
      await server.close();
    });

    const FORGE = 'UPDATE two_factor_confirmation SET confirmed_at = 1, used_at = NULL';
    const READS = TABLES.map((table) => `SELECT * FROM ${table}`);
    const WRITES = [FORGE, ...TABLES.map((table) => `DELETE FROM ${table}`)];

    it('can be read and written by any client before the statements, and by none after them', async () => {
      expect(await life(owner)).toBe(true);
      // A message that waits, so that no table is empty.
      await owner.twoFactor.request({ token: 'bob@example.com' });
      for (const sql of READS) expect(await askAs('anon', sql)).toBeGreaterThan(0);
      expect(await askAs('anon', FORGE)).toBe(3);

      await owner.dataSource.query(asOwner);

      for (const user of ['anon', 'authenticated']) {
        // insufficient_privilege
        for (const sql of [...READS, ...WRITES]) expect(await askAs(user, sql)).toBe('42501');
      }
      // A privilege that the platform grants again shows no row and forges none.
      await owner.dataSource.query(`GRANT ALL ON ${TABLES.join()} TO anon`);
      for (const sql of [...READS, ...WRITES]) expect(await askAs('anon', sql)).toBe(0);
      expect(await owner.app.get(DeliveryService, { strict: false }).sweep()).toBe(1);
      expect(await life(owner)).toBe(true);
    });

    it('serve an application of another role with the statements for it, and not without', async () => {
      const app = await startAs('app');
      await expect(app.confirmer.makeConfirmation()).rejects.toThrow(/lacks a privilege/);

      await owner.dataSource.query(asApp);

      expect(await life(app)).toBe(true);
      for (const sql of READS) expect(await askAs('anon', sql)).toBe(0);
      await app.close();
    });
  },
);
