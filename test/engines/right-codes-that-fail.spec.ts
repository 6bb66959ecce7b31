// A right code of an app confirms nothing because the database fails: it is charged only where it may have confirmed.
import { describe, expect, it } from 'vitest';

import { ConfirmationRecord, LimitService, TwoFactorUnavailableError } from '../../lib/index.js';
import { enrolApp, METHODS, type TestAuthenticator } from '../support/authenticator.js';
import { mysqlServers, servers } from '../support/engines.js';
import { interceptStatements } from '../support/intercept-statements.js';
import { openApplications } from '../support/listed-statements.js';
import { startApp, type TestApp } from '../support/test-app.js';

/** For calls that must be answered. */
const PATIENT_MS = 60_000;
/** Where a deadline has to expire, beside other calls that must be answered on a busy machine. */
const SHORT_MS = 4_000;
/** For what is given back after the answer. */
const EVENTUALLY = { timeout: 60_000 };
/** As many as lock an app. */
const LOCKING = 10;
const UNAVAILABLE = { code: 'temporarily-unavailable' };

const open = openApplications();

/** A person with an app. */
interface Owner {
  readonly subject: string;
  readonly app: TestAuthenticator;
}

async function start(
  engine: (typeof servers)[number],
  databaseTimeoutMs = PATIENT_MS,
): Promise<TestApp> {
  const options = { methods: METHODS, limits: {}, databaseTimeoutMs, env: false };
  const test = await startApp({ engine, options });
  open.push(test);
  return test;
}

async function ownerOf(test: TestApp): Promise<Owner> {
  const { subject, app } = await enrolApp(test, 'owner');
  test.clock.advance(30);
  return { subject, app };
}

const make = async ({ confirmer }: TestApp, subject: string): Promise<string> =>
  (await confirmer.makeConfirmation({ subject, methods: ['totp'] })).id;

const confirm = async ({ confirmer }: TestApp, id: string, code: string): Promise<boolean> =>
  (await confirmer.confirm(id, { method: 'totp', code }))[1];

/** What is charged: the attempts of the confirmation, and the failures of the app. */
async function charged({ app, dataSource }: TestApp, id: string): Promise<[number, number]> {
  const { attempts } = await dataSource.getRepository(ConfirmationRecord).findOneByOrFail({ id });
  const { count } = await app.get(LimitService).failures({ subject: 'owner', method: 'totp' });
  return [attempts, count];
}

describe.each(mysqlServers)(
  'A code of an app while an open transaction has used a proof by that app, on %s',
  (engine) => {
    /** Uses a proof by the app in a transaction that stays open until the given work is done. */
    async function whileUsing(
      test: TestApp,
      { subject, app }: Owner,
      work: () => Promise<void>,
    ): Promise<void> {
      const proof = await make(test, subject);
      expect(await confirm(test, proof, app.code())).toBe(true);
      test.clock.advance(30);
      await test.dataSource.transaction(async (manager) => {
        expect(await test.confirmer.use(proof, { subject, manager })).toBe(true);
        await work();
      });
    }

    it('costs nothing when it is right, and confirms when the transaction has ended', async () => {
      const test = await start(engine, SHORT_MS);
      const owner = await ownerOf(test);
      const id = await make(test, owner.subject);

      await whileUsing(test, owner, async () => {
        await expect(confirm(test, id, owner.app.code())).rejects.toMatchObject(UNAVAILABLE);
      });

      await expect.poll(() => charged(test, id), EVENTUALLY).toEqual([0, 0]);
      expect(await confirm(test, id, owner.app.code())).toBe(true);
    });

    it('does not lock the app, however often the right code is tried', async () => {
      const test = await start(engine, SHORT_MS);
      const owner = await ownerOf(test);

      await whileUsing(test, owner, async () => {
        const ids: string[] = [];
        for (let count = 0; count < LOCKING; count += 1) ids.push(await make(test, owner.subject));
        // All at once, because each of them takes the whole time.
        const tries = ids.map((id) => confirm(test, id, owner.app.code()));
        for (const answer of await Promise.allSettled(tries)) {
          expect(answer).toMatchObject({ reason: UNAVAILABLE });
        }
      });

      const last = await make(test, owner.subject);
      await expect.poll(() => charged(test, last), EVENTUALLY).toEqual([0, 0]);
      expect(await confirm(test, last, owner.app.code())).toBe(true);
    });

    it('is charged when it is wrong', async () => {
      const test = await start(engine, SHORT_MS);
      const owner = await ownerOf(test);
      const id = await make(test, owner.subject);

      await whileUsing(test, owner, async () => {
        expect(await confirm(test, id, owner.app.wrongCode())).toBe(false);
        await expect(confirm(test, id, owner.app.code())).rejects.toMatchObject(UNAVAILABLE);
      });

      await expect.poll(() => charged(test, id), EVENTUALLY).toEqual([1, 1]);
    });
  },
);

describe.each(servers)('A code of an app whose answer is lost, on %s', (engine) => {
  /** Loses the answer of one statement, after the server has executed it, or sends it not at all. */
  function loseOnce({ dataSource }: TestApp, text: RegExp, isSent: boolean): () => number {
    let lost = 0;
    interceptStatements(dataSource, async (sql, run) => {
      if (lost > 0 || !text.test(sql)) return run();
      lost += 1;
      if (isSent) await run();
      throw new TwoFactorUnavailableError('The answer was lost.');
    });
    return () => lost;
  }
  const SETTLES = engine === 'postgres' ? /^WITH locked/ : /^COMMIT/;

  it('stays charged when it may have confirmed, which it has', async () => {
    const test = await start(engine);
    const { subject, app } = await ownerOf(test);
    const id = await make(test, subject);
    const lost = loseOnce(test, SETTLES, true);

    await expect(confirm(test, id, app.code())).rejects.toMatchObject(UNAVAILABLE);

    expect(lost()).toBe(1);
    expect((await test.confirmer.check(id))[1]).toBe(true);
    expect(await charged(test, id)).toEqual([1, 1]);
  });

  it('stays charged when it may have confirmed, and has not', async () => {
    const test = await start(engine);
    const { subject, app } = await ownerOf(test);
    const id = await make(test, subject);
    const lost = loseOnce(test, SETTLES, false);

    await expect(confirm(test, id, app.code())).rejects.toMatchObject(UNAVAILABLE);

    expect(lost()).toBe(1);
    expect(await charged(test, id)).toEqual([1, 1]);
  });

  it('costs no failure when its attempt could not be counted, because nothing was compared', async () => {
    const test = await start(engine);
    const { subject, app } = await ownerOf(test);
    const id = await make(test, subject);
    const lost = loseOnce(test, /^UPDATE .*two_factor_confirmation/s, false);

    await expect(confirm(test, id, app.wrongCode())).rejects.toMatchObject(UNAVAILABLE);

    expect(lost()).toBe(1);
    expect(await charged(test, id)).toEqual([0, 0]);
  });
});
