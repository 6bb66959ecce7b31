// Behind a read/write splitting proxy whose replica has stopped: every plain SELECT shows the tables as they were before.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { ConfirmationRecord } from '../../lib/index.js';
import { enrolApp, factorsOf, METHODS } from '../support/authenticator.js';
import { WRONG_CODE } from '../support/canaries.js';
import { mysqlServers } from '../support/engines.js';
import { startHttpApp, type HttpTestApp } from '../support/http.js';
import { NaiveConfirmer } from '../support/naive-confirmer.js';
import { ReadSplitter } from '../support/read-splitter.js';
import { SILENT } from '../support/test-app.js';

const CODES = 200;
const AT_ONCE = 10;

const cases = mysqlServers.flatMap((engine) =>
  [true, false].flatMap((isPrepared) =>
    [true, false].map((isLimited) => ({ engine, isPrepared, isLimited })),
  ),
);

describe.each(cases)(
  'With a stale replica on $engine, prepared: $isPrepared, limits: $isLimited',
  ({ engine, isPrepared, isLimited }) => {
    let test: HttpTestApp;
    let splitter: ReadSplitter;
    let people = 0;

    beforeAll(async () => {
      test = await startHttpApp({
        engine,
        dataSource: { ...SILENT, poolSize: AT_ONCE },
        options: {
          limits: isLimited ? {} : false,
          preparedStatements: isPrepared,
          controller: true,
          methods: METHODS,
        },
      });
      splitter = await ReadSplitter.install((test.database.options as { url: string }).url);
    });
    afterAll(async () => {
      await splitter.remove();
      await test.close();
    });

    /** A new person, for whom no limit has counted anything yet. */
    const person = () => {
      people += 1;
      const name = `person-${people}`;
      return { token: `${name}@example.com`, subject: name, purpose: 'login' };
    };

    it(`confirms ${CODES} of ${CODES} right codes, after a wrong one, and uses each proof once`, async () => {
      const outcomes: unknown[] = [];
      const live = async (): Promise<void> => {
        const { subject, purpose, token } = person();
        const made = await test.confirmer.makeConfirmation({ subject, purpose, token });
        const [wrong] = await test.confirmer.confirm(made.id, WRONG_CODE);
        const [state, confirmed] = await test.confirmer.confirm(made.id, made.code!);
        const used = await test.confirmer.use(made.id, { subject, purpose });
        const again = await test.confirmer.use(made.id, { subject, purpose });
        const told = [wrong?.attemptsLeft, state?.status, state?.attemptsLeft];
        outcomes.push([...told, confirmed, used, again]);
      };
      for (let left = CODES; left > 0; left -= AT_ONCE) {
        await Promise.all(Array.from({ length: AT_ONCE }, live));
      }

      expect(outcomes).toEqual(
        Array.from({ length: CODES }, () => [4, 'confirmed', 3, true, true, false]),
      );
      expect(splitter.read).toEqual([]);
    });

    it('makes one confirmation and sends one message when a request is repeated with its idempotency key', async () => {
      const keyed = { ...person(), idempotencyKey: `key-of-person-${people}` };
      const sent = test.inbox.deliveries.length;

      const first = await test.twoFactor.request(keyed);
      const second = await test.twoFactor.request(keyed);

      expect(second.id).toBe(first.id);
      expect(test.inbox.deliveries).toHaveLength(sent + 1);
      expect((await test.confirmer.confirm(first.id, test.inbox.lastCode))[1]).toBe(true);
    });

    it('sends again, by the service and over HTTP', async () => {
      const { id } = await test.twoFactor.request(person());
      const http = await test.request({ token: person().token });
      test.clock.advance(60);
      const sent = test.inbox.deliveries.length;

      await test.twoFactor.resend(id);
      const answer = await test.post('/2factor/resend', { id: http.id });

      expect(answer.status).toBe(200);
      expect(test.inbox.deliveries).toHaveLength(sent + 2);
    });

    it('confirms over HTTP, and checks the state of the confirmation there', async () => {
      const { id } = await test.request({ token: person().token });

      expect((await test.post('/2factor/check', { id })).body).toMatchObject({ status: 'pending' });
      const answer = await test.post('/2factor/confirm', { id, code: test.inbox.lastCode });

      expect(answer.status).toBe(200);
      expect((await test.post('/2factor/check', { id })).body).toMatchObject({
        status: 'confirmed',
      });
    });

    it('answers true to the idempotency key that has used a proof, and false to others', async () => {
      const { id } = await test.confirmer.makeConfirmation({ isConfirmed: true });
      const key = 'the-key-of-the-first-call';

      expect(await test.confirmer.use(id, { idempotencyKey: key })).toBe(true);
      expect(await test.confirmer.use(id, { idempotencyKey: key })).toBe(true);
      expect(await test.confirmer.use(id, { idempotencyKey: `${key}-not` })).toBe(false);
    });

    it('enrols an app, confirms by it and by a recovery code, and lists what is left', async () => {
      const { subject } = person();
      const { app, recoveryCodes } = await enrolApp(test, subject);
      const methods = ['totp', 'recovery'] as const;
      const byApp = await test.twoFactor.request({ subject, methods });
      const byCode = await test.confirmer.makeConfirmation({ subject, methods });

      const answers = [
        await test.confirmer.confirm(byApp.id, { method: 'totp', code: app.wrongCode() }),
        await test.confirmer.confirm(byApp.id, { method: 'totp', code: app.code() }),
        await test.confirmer.confirm(byCode.id, { method: 'recovery', code: recoveryCodes[0]! }),
      ];

      expect(byApp.method).toBe('totp');
      expect(answers.map(([, confirmed]) => confirmed)).toEqual([false, true, true]);
      expect(await factorsOf(test).list({ subject })).toMatchObject([
        { method: 'totp' },
        { method: 'recovery', left: 9 },
      ]);
      expect(splitter.read).toEqual([]);
    });

    it('refuses a cancelled confirmation, and finds no unknown one', async () => {
      const ended = await test.confirmer.makeConfirmation(person());
      await test.confirmer.cancel(ended.id);
      const unknown = `${ended.id.slice(0, 20)}${'0'.repeat(16)}`;

      expect(await test.confirmer.confirm(ended.id, ended.code!)).toMatchObject([
        { status: 'cancelled' },
        false,
      ]);
      expect(await test.confirmer.confirm(unknown, WRONG_CODE)).toEqual([null, false]);
    });

    it('does not find a confirmation in the naive twin, which reads before it writes', async () => {
      // The application's own statements are split as well, whichever way ours take.
      const { id } = await test.confirmer.makeConfirmation();
      const naive = new NaiveConfirmer(test.dataSource.getRepository(ConfirmationRecord));

      await expect(naive.confirm(id, true)).rejects.toThrow('Could not find any entity');
      expect(splitter.read.length).toBeGreaterThan(0);
    });
  },
);
