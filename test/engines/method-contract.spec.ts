// The contract that every method keeps, whatever evidence it takes: one winner, nothing widened, nothing charged by mistake.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { FactorService } from '../../lib/index.js';
import { factorsOf } from '../support/authenticator.js';
import { engines, mysqlServers, type EngineName } from '../support/engines.js';
import { METHODS_UNDER_TEST } from '../support/methods-under-test.js';
import { PASSKEY_METHODS } from '../support/passkeys.js';
import { secretOf } from '../support/secret.js';
import { SECRET, startApp, type TestApp } from '../support/test-app.js';

const COPIES = 20;

function familyOf(engine: EngineName): 'mysql' | 'postgres' | 'sqlite' {
  if (engine === 'postgres') return engine;
  return mysqlServers.some((server) => server === engine) ? 'mysql' : 'sqlite';
}

describe.each(engines)('On %s', (engine) => {
  let test: TestApp;
  let factors: FactorService;

  beforeAll(async () => {
    const options = { methods: PASSKEY_METHODS, limits: {}, databaseTimeoutMs: 60_000 };
    test = await startApp({ engine, options });
    factors = factorsOf(test);
  });
  afterAll(() => test.close());

  describe.each(METHODS_UNDER_TEST)('confirming by $name', (method) => {
    const methods = [method.name] as const;
    const refused = { code: 'method-not-allowed' };
    const enrol = (subject: string): ReturnType<typeof method.enrol> =>
      method.enrol(test, `${method.name}-${subject}`);
    const make = async (subject: string): Promise<string> =>
      (await test.confirmer.makeConfirmation({ subject, methods })).id;
    const attemptsLeft = async (id: string): Promise<number | undefined> =>
      (await test.confirmer.check(id))[0]?.attemptsLeft;

    it('confirms by a right response once, and names itself', async () => {
      const { subject, respond } = await enrol('once');
      const id = await make(subject);
      const response = await respond(id);
      test.clock.advance(1);

      const [state, done] = await test.confirmer.confirm(id, response);

      expect(done).toBe(true);
      expect(state).toMatchObject({ status: 'confirmed', confirmedBy: method.name });
      expect(await test.confirmer.confirm(id, response)).toMatchObject([
        { status: 'confirmed' },
        false,
      ]);
      const used = (await factors.list({ subject })).find((each) => each.method === method.name);
      const lastUsedAt = new Date(test.clock.now());
      const isUsedUp = method.name === 'recovery';
      expect(used).toMatchObject(isUsedUp ? { left: 9 } : { lastUsedAt });
      const confirmedBy = methods;
      expect(await test.confirmer.use(id, { subject, confirmedBy: ['hand'] })).toBe(false);
      expect(await test.confirmer.use(id, { subject, confirmedBy })).toBe(true);
    });

    it('confirms a second confirmation by the same response exactly if that is a token', async () => {
      const { subject, respond } = await enrol('twice');
      const [first, second] = [await make(subject), await make(subject)];
      const response = await respond(first);

      expect((await test.confirmer.confirm(first, response))[1]).toBe(true);
      expect(await test.confirmer.confirm(second, response)).toMatchObject([
        { status: method.isReusable ? 'confirmed' : 'pending' },
        method.isReusable,
      ]);
    });

    it('charges a wrong response exactly if it can be guessed, and leaves the factors as they are', async () => {
      const { subject, respond, mistake } = await enrol('wrong');
      const id = await make(subject);
      const before = await factors.list({ subject });

      const [state, done] = await test.confirmer.confirm(id, await mistake(id));

      expect([state?.status, done]).toEqual(['pending', false]);
      expect(state?.attemptsLeft).toBe(method.isGuessable ? 4 : 5);
      expect(await factors.list({ subject })).toEqual(before);
      expect((await test.confirmer.confirm(id, await respond(id)))[1]).toBe(true);
    });

    it('refuses a malformed response, and charges nothing', async () => {
      const { subject } = await enrol('malformed');
      const id = await make(subject);

      await expect(test.confirmer.confirm(id, method.malformed)).rejects.toMatchObject({
        code: 'invalid-request',
      });
      expect(await attemptsLeft(id)).toBe(5);
    });

    it('is refused for a confirmation that was not made with it, and charges nothing', async () => {
      const { subject, respond } = await enrol('not-on-the-row');
      const other = await test.confirmer.makeConfirmation({ subject });

      await expect(
        test.confirmer.confirm(other.id, await respond(await make(subject))),
      ).rejects.toMatchObject(refused);
      expect(await attemptsLeft(other.id)).toBe(5);
    });

    it('refuses a factor that was activated after the confirmation was made', async () => {
      const subject = `${method.name}-later`;
      const early = await make(subject);
      test.clock.advance(1);
      const { respond } = await method.enrol(test, subject);
      const response = await respond(method.name === 'passkey' ? await make(subject) : early);

      expect(await test.confirmer.confirm(early, response)).toMatchObject([
        { status: 'pending' },
        false,
      ]);
    });

    it('refuses a factor that was removed while the confirmation was pending', async () => {
      const { subject, factorId, respond } = await enrol('removed');
      const id = await make(subject);
      const response = await respond(id);
      await factors.remove({ subject, factor: factorId, allowLast: true });

      expect(await test.confirmer.confirm(id, response)).toMatchObject([
        { status: 'pending' },
        false,
      ]);
    });

    it('refuses the factor of another subject, also of one that is spelled alike', async () => {
      const { subject, respond } = await enrol('alike');
      const response = await respond(await make(subject));
      for (const other of [subject.toUpperCase(), `${subject} `]) {
        expect(await test.confirmer.confirm(await make(other), response)).toMatchObject([
          { status: 'pending' },
          false,
        ]);
      }
    });

    it('refuses a locked confirmation', async () => {
      const { subject, respond } = await enrol('locked');
      const state = await test.confirmer.makeConfirmation({
        subject,
        methods: ['code', method.name],
      });
      const response = await respond(state.id);
      for (let count = 0; count < 5; count += 1)
        await test.confirmer.confirm(state.id, 'WRONGCODE');

      expect(await test.confirmer.confirm(state.id, response)).toMatchObject([
        { status: 'locked' },
        false,
      ]);
    });

    it(`has one winner among ${COPIES} copies of one response`, async () => {
      const { subject, respond } = await enrol('copies');
      const id = await make(subject);
      const response = await respond(id);

      const results = await Promise.all(
        Array.from({ length: COPIES }, () => test.confirmer.confirm(id, response)),
      );

      expect(results.filter(([, done]) => done)).toHaveLength(1);
      expect((await test.confirmer.check(id))[0]).toMatchObject({ confirmedBy: method.name });
    });

    it('takes the documented number of statements', async () => {
      const { subject, respond } = await enrol('statements');
      const id = await make(subject);
      const response = await respond(id);

      const statements = await test.log.during(() => test.confirmer.confirm(id, response));

      const sql = statements.map(({ sql: text }) => text.trim().split(/\s+/, 1)[0]);
      const own = sql.filter((word) => !['BEGIN', 'COMMIT', 'START'].includes(word!));
      expect(own.length, own.join(' ')).toBe(method.statements[familyOf(engine)]);
    });
  });
});

describe.each(engines.filter((name) => name !== 'sqljs'))('After a rotation on %s', (engine) => {
  it.each(METHODS_UNDER_TEST)(
    'the method $name still confirms what was requested before it',
    async (method) => {
      const options = { methods: PASSKEY_METHODS, limits: {} };
      const before = await startApp({ engine, options });
      const secrets = [secretOf('the next one'), SECRET];
      const after = await startApp({
        engine,
        database: before.database,
        options: { ...options, secret: undefined, secrets },
      });
      const { subject, respond } = await method.enrol(before, 'rotates');
      const methods = [method.name] as const;
      const { id } = await before.confirmer.makeConfirmation({ subject, methods });
      const response = await respond(id);
      after.clock.advance((before.clock.now() - after.clock.now()) / 1_000);

      expect((await after.confirmer.confirm(id, response))[1]).toBe(true);
      await after.close();
      await before.close();
    },
  );
});
