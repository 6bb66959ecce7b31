// The statements of the page on a real server: clients of a platform that publishes tables read and write nothing, and the
// application works as the owner and as a role of its own.
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { ownServers, type OwnServer } from '../support/own-servers.js';
import { readPage } from '../support/snippets.js';
import { startApp, type TestApp } from '../support/test-app.js';

const { text } = await readPage('docs/guides/deploy.md');
const [asOwner = '', asApp = ''] = [...text.matchAll(/^```sql\n([\s\S]*?)^```$/gm)].map(
  ([, sql = '']) => sql,
);
const TABLES = 'two_factor_confirmation, two_factor_limit';

async function life({ twoFactor, confirmer, inbox }: TestApp): Promise<boolean> {
  const { state } = await twoFactor.request({ token: 'ann@example.com', subject: 'ann' });
  expect((await confirmer.confirm(state.id, 'WRONGCODE'))[1]).toBe(false);
  expect((await confirmer.confirm(state.id, inbox.lastCode))[1]).toBe(true);
  return confirmer.use(state, { subject: 'ann' });
}

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
      await owner.dataSource.query(`GRANT ALL ON ${TABLES} TO anon, authenticated`);
    });
    afterAll(async () => {
      await owner.close();
      await server.close();
    });

    const SELECT = 'SELECT * FROM two_factor_confirmation';
    const FORGE = 'UPDATE two_factor_confirmation SET confirmed_at = 1, used_at = NULL';

    it('can be read and written by any client before the statements, and by none after them', async () => {
      expect(await life(owner)).toBe(true);
      expect(await askAs('anon', SELECT)).toBe(1);
      expect(await askAs('anon', FORGE)).toBe(1);

      await owner.dataSource.query(asOwner);

      const limits = 'DELETE FROM two_factor_limit';
      for (const user of ['anon', 'authenticated']) {
        // insufficient_privilege
        for (const sql of [SELECT, FORGE, limits]) expect(await askAs(user, sql)).toBe('42501');
      }
      // A privilege that the platform grants again shows no row and forges none.
      await owner.dataSource.query(`GRANT ALL ON ${TABLES} TO anon`);
      for (const sql of [SELECT, FORGE, limits]) expect(await askAs('anon', sql)).toBe(0);
      expect(await life(owner)).toBe(true);
    });

    it('serve an application of another role with the statements for it, and not without', async () => {
      const app = await startAs('app');
      await expect(app.confirmer.makeConfirmation()).rejects.toThrow(/lacks a privilege/);

      await owner.dataSource.query(asApp);

      expect(await life(app)).toBe(true);
      expect(await askAs('anon', SELECT)).toBe(0);
      await app.close();
    });
  },
);
