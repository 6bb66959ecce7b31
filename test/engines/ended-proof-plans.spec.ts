// Whether the factor of a proof is there is asked by the primary key: a scan of the factors would make each use as slow as the table is large.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { enrolApp } from '../support/authenticator.js';
import { engines } from '../support/engines.js';
import { PASSKEY_METHODS } from '../support/passkeys.js';
import { startApp, type TestApp } from '../support/test-app.js';
import { genericPlans, type GenericPlan } from './growth/plans.js';

const POOL = 2;
const FACTORS = 20_000;

describe.each(engines.filter((engine) => engine === 'postgres'))(
  'The use of a proof on %s',
  (engine) => {
    let test: TestApp;

    beforeAll(async () => {
      const options = { methods: PASSKEY_METHODS, limits: {}, preparedStatements: true };
      test = await startApp({ engine, options, dataSource: { poolSize: POOL } });
      await test.dataSource.query(`
        INSERT INTO two_factor_factor (id, application, subject_key, subject, method, label, counter, created_at, activated_at)
        SELECT lpad(n::text, 36, '0'), '', md5(n::text), n::text, 'totp', '', 0, 1, 1 FROM generate_series(1, ${FACTORS}) n`);
      await test.dataSource.query('ANALYZE two_factor_factor');
    });
    afterAll(() => test?.close());

    /** A proof by an app, and one by a sent code, of each of three people. */
    async function proofs(): Promise<{ id: string; subject: string }[]> {
      const made: { id: string; subject: string }[] = [];
      for (const subject of ['ann', 'bea', 'cleo']) {
        const { app } = await enrolApp(test, subject);
        const { confirmer, clock } = test;
        for (const method of ['totp', 'code'] as const) {
          const state = await confirmer.makeConfirmation({ subject, methods: [method] });
          await confirmer.confirm(
            state.id,
            method === 'code' ? state.code! : { method, code: app.code() },
          );
          made.push({ id: state.id, subject });
        }
        clock.advance(30);
      }
      return made;
    }

    it('reads factors by their primary key alone, for one call and for a batch', async () => {
      const { confirmer } = test;
      for (const { id, subject } of await proofs()) await confirmer.use(id, { subject });
      const together = await proofs();
      await Promise.all(together.map(({ id }) => confirmer.check(id)));
      await Promise.all(together.map(({ id, subject }) => confirmer.use(id, { subject })));
      for (const { id, subject } of await proofs()) {
        await confirmer.use(id, { subject, confirmedBy: ['totp', 'code'] });
      }

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
