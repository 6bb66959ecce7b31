// Whether the factor of a proof is there is asked by the primary key: a scan of the factors would make each use as slow as the table is large.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { FactorRecord } from '../../lib/index.js';
import { enrolApp } from '../support/authenticator.js';
import { engines } from '../support/engines.js';
import { PASSKEY_METHODS } from '../support/passkeys.js';
import { startApp, type LoggedStatement, type TestApp } from '../support/test-app.js';
import { genericPlans, type GenericPlan } from './growth/plans.js';

const POOL = 2;
const FACTORS = 10_000;

/** A proof by an app, and one by a sent code, of each of three people. */
async function proofs({ confirmer, clock, ...test }: TestApp): Promise<Proof[]> {
  const made: Proof[] = [];
  for (const subject of ['ann', 'bea', 'cleo']) {
    const { app } = await enrolApp({ confirmer, clock, ...test }, subject);
    for (const method of ['totp', 'code'] as const) {
      const { id, code } = await confirmer.makeConfirmation({ subject, methods: [method] });
      await confirmer.confirm(id, method === 'code' ? code! : { method, code: app.code() });
      made.push({ id, subject });
    }
    clock.advance(30);
  }
  return made;
}

interface Proof {
  readonly id: string;
  readonly subject: string;
}

/** Each way in which a proof is asked for: alone, together with others, and by its method. */
async function askForProofs(test: TestApp): Promise<void> {
  const { confirmer } = test;
  for (const { id, subject } of await proofs(test)) {
    await confirmer.check(id);
    await confirmer.use(id, { subject });
  }
  const together = await proofs(test);
  await Promise.all(together.map(({ id }) => confirmer.check(id)));
  await Promise.all(together.map(({ id, subject }) => confirmer.use(id, { subject })));
  for (const { id, subject } of await proofs(test)) {
    await confirmer.use(id, { subject, confirmedBy: ['totp', 'code'] });
  }
}

/** Factors of other people. */
async function fill({ dataSource }: TestApp): Promise<void> {
  const repository = dataSource.getRepository(FactorRecord);
  for (let batch = 0; batch < FACTORS; batch += 500) {
    const rows = Array.from({ length: 500 }, (_, index) => {
      const id = String(batch + index).padStart(36, '0');
      return { id, subject: id, subjectKey: id, method: 'totp', createdAt: 1, activatedAt: 1 };
    });
    await repository.insert(rows);
  }
}

const BY_KEY = /^SEARCH confirming USING .*INDEX .*\(id=\?\)$/;

/** How the plan of a statement reads the factor of a proof. */
async function readOfFactors({ dataSource }: TestApp, given: LoggedStatement): Promise<string> {
  const sql = `EXPLAIN QUERY PLAN ${given.sql}`;
  const rows = await dataSource.query<{ detail: string }[]>(sql, [...given.parameters]);
  return rows
    .map(({ detail }) => detail)
    .filter((detail) => detail.includes(' confirming'))
    .join();
}

const options = { methods: PASSKEY_METHODS, limits: {}, preparedStatements: true };

describe.each(engines.filter((engine) => engine === 'postgres'))(
  'The use of a proof on %s',
  (engine) => {
    let test: TestApp;

    beforeAll(async () => {
      test = await startApp({ engine, options, dataSource: { poolSize: POOL } });
      await fill(test);
      await test.dataSource.query('ANALYZE two_factor_factor');
    });
    afterAll(() => test?.close());

    it('reads factors by their primary key alone, for one call and for a batch', async () => {
      await askForProofs(test);

      const asking = (await genericPlans(test.dataSource, POOL)).filter(({ text }) =>
        text.includes(' confirming '),
      );

      const isUse = ({ text }: GenericPlan): boolean => text.includes('UPDATE');
      expect(asking.filter(isUse).length).toBeGreaterThanOrEqual(2);
      expect(asking.filter((plan) => !isUse(plan)).length).toBeGreaterThanOrEqual(1);
      const scans = asking.flatMap(({ detours }) => detours);
      expect(scans.filter((scan) => scan.includes('two_factor_factor'))).toEqual([]);
    });
  },
);

// MySQL and MariaDB show no plan of an UPDATE whose row is used already.
describe.each(engines.filter((engine) => engine === 'better-sqlite3' || engine === 'sqljs'))(
  'The use of a proof on %s',
  (engine) => {
    let test: TestApp;

    beforeAll(async () => {
      test = await startApp({ engine, options });
      await fill(test);
    });
    afterAll(() => test?.close());

    it('reads factors by their primary key alone, for one call and for several', async () => {
      const logged = await test.log.during(() => askForProofs(test));
      const asking = new Map(
        logged.filter(({ sql }) => sql.includes(' confirming ')).map((each) => [each.sql, each]),
      );

      const reads: string[] = [];
      for (const each of asking.values()) reads.push(await readOfFactors(test, each));

      expect(reads.length).toBeGreaterThanOrEqual(3);
      expect(reads.filter((read) => !BY_KEY.test(read))).toEqual([]);
    });
  },
);
