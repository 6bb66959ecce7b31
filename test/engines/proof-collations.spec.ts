// The two tables that the use of a proof compares have different character sets or collations: a database was altered, or a server
// replaced, between the two migrations, or one table was converted.
import { afterEach, describe, expect, it } from 'vitest';

import { FactorRecord, type MethodName } from '../../lib/index.js';
import { enrolApp, factorsOf } from '../support/authenticator.js';
import { mysqlServers } from '../support/engines.js';
import { rememberDevice } from '../support/devices.js';
import { PASSKEY_METHODS } from '../support/passkeys.js';
import { startApp, type TestApp } from '../support/test-app.js';

const FACTORS = 1_000;

/** How the table of the confirmations is converted, and how that of the factors. */
const TABLES = [
  ['utf8mb4 COLLATE utf8mb4_general_ci', 'utf8mb4 COLLATE utf8mb4_unicode_ci'],
  ['utf8mb4 COLLATE utf8mb4_unicode_ci', 'utf8mb4 COLLATE utf8mb4_general_ci'],
  ['utf8mb4 COLLATE utf8mb4_bin', 'utf8mb4 COLLATE utf8mb4_general_ci'],
  ['latin1', 'utf8mb4'],
  ['utf8mb4', 'latin1'],
  ['latin1', 'latin2'],
  ['latin1', 'latin1'],
  ['utf16', 'utf8mb4'],
] as const;

describe.each(mysqlServers)('The use of a proof on %s', (engine) => {
  let test: TestApp | undefined;
  afterEach(() => test?.close());

  async function startWith(confirmations: string, factors: string): Promise<TestApp> {
    test = await startApp({ engine, options: { methods: PASSKEY_METHODS, limits: {} } });
    const { dataSource } = test;
    const convert = (table: string, to: string): Promise<unknown> =>
      dataSource.query(`ALTER TABLE ${table} CONVERT TO CHARACTER SET ${to}`);
    await convert('two_factor_confirmation', confirmations);
    await convert('two_factor_factor', factors);
    return test;
  }

  /** Factors of other people. */
  async function fill({ dataSource }: TestApp): Promise<void> {
    const rows = Array.from({ length: FACTORS }, (_, index) => {
      const id = String(index).padStart(36, '0');
      return { id, subject: id, subjectKey: id, method: 'totp', createdAt: 1, activatedAt: 1 };
    });
    await dataSource.getRepository(FactorRecord).insert(rows);
    await dataSource.query('ANALYZE TABLE two_factor_factor');
  }

  it.each(TABLES)(
    'pays while its factor is there, and finds it by the primary key, with tables in %s and %s',
    async (confirmations, factors) => {
      const given = await startWith(confirmations, factors);
      const { confirmer, clock, dataSource } = given;
      await fill(given);
      const { app, factorId } = await enrolApp(given, 'ann');
      const { token } = await rememberDevice(given, 'ann');
      const proofBy = async (method: MethodName): Promise<string> => {
        const { id, code } = await confirmer.makeConfirmation({
          subject: 'ann',
          methods: [method],
        });
        const byApp = { method: 'totp', code: app.code() } as const;
        const byFactor = method === 'totp' ? byApp : ({ method: 'device', token } as const);
        await confirmer.confirm(id, method === 'code' ? code! : byFactor);
        clock.advance(30);
        return id;
      };
      const use = (id: string): Promise<boolean> => confirmer.use(id, { subject: 'ann' });

      for (const method of ['code', 'totp', 'device'] as const) {
        const id = await proofBy(method);
        expect((await confirmer.check(id))[1]).toBe(true);
        expect(await use(id)).toBe(true);
      }
      const ids = [await proofBy('totp'), await proofBy('code'), await proofBy('device')];
      expect(await Promise.all(ids.map(use))).toEqual([true, true, true]);
      const left = await proofBy('totp');
      const logged = await given.log.during(() =>
        confirmer.use(left, { subject: 'another person' }),
      );
      await factorsOf(given).remove({ subject: 'ann', factor: factorId, allowLast: true });
      expect((await confirmer.check(left))[1]).toBe(false);
      expect(await use(left)).toBe(false);

      const { sql, parameters } = logged.find((each) => each.sql.includes(' confirming '))!;
      const format = engine === 'mysql' ? 'FORMAT=TRADITIONAL' : '';
      const plan = await dataSource.query<{ table: string; type: string; key: string }[]>(
        `EXPLAIN ${format} ${sql}`,
        parameters.map((value) => (value === 'another person' ? 'ann' : value)),
      );
      expect(plan.filter(({ table }) => table === 'confirming')).toMatchObject([
        { type: 'eq_ref', key: 'PRIMARY' },
      ]);
    },
  );
});
