// Behind a read/write splitting proxy whose replica has stopped: every SELECT outside of a transaction is answered from the tables as
// they were at the freeze. A confirmation is missing there when it was made later, and as it was then when it was made before.
import mysql, { type RowDataPacket } from 'mysql2/promise';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { ConfirmationRecord, type ConfirmationState } from '../../lib/index.js';
import { enrolApp, factorsOf, METHODS, type EnrolledSubject } from '../support/authenticator.js';
import { WRONG_CODE } from '../support/canaries.js';
import { mysqlServers, openDatabase, type TestDatabase } from '../support/engines.js';
import { startHttpApp, type HttpTestApp } from '../support/http.js';
import { NaiveConfirmer } from '../support/naive-confirmer.js';
import { ReadSplitter } from '../support/read-splitter.js';
import { SILENT } from '../support/test-app.js';

const CODES = 200;
const AT_ONCE = 10;
const NAIVE_CODES = 20;

/** A person for whom no limit has counted anything yet, and a confirmation of that person. */
interface Made {
  readonly token: string;
  readonly subject: string;
  readonly purpose: string;
  readonly state: ConfirmationState;
}

const cases = mysqlServers.flatMap((engine) =>
  [true, false].flatMap((isPrepared) =>
    [true, false].map((isLimited) => ({ engine, isPrepared, isLimited })),
  ),
);

describe.each(cases)(
  'With a stale replica on $engine, prepared: $isPrepared, limits: $isLimited',
  ({ engine, isPrepared, isLimited }) => {
    let database: TestDatabase;
    let splitter: ReadSplitter;
    let test: HttpTestApp;
    let people = 0;
    const before: Made[] = [];
    let proofBefore: ConfirmationState;
    let enrolledBefore: EnrolledSubject;

    const person = () => {
      people += 1;
      const name = `person-${people}`;
      return { token: `${name}@example.com`, subject: name, purpose: 'login' };
    };
    const make = async (): Promise<Made> => {
      const whom = person();
      return { ...whom, state: await test.confirmer.makeConfirmation(whom) };
    };

    beforeAll(async () => {
      database = await openDatabase(engine);
      splitter = await ReadSplitter.before((database.options as { url: string }).url);
      test = await startHttpApp({
        database: splitter.through(database),
        dataSource: { ...SILENT, poolSize: AT_ONCE },
        options: {
          limits: isLimited ? {} : false,
          preparedStatements: isPrepared,
          controller: true,
          methods: METHODS,
        },
      });
      for (let left = CODES / 2; left > 0; left -= 1) before.push(await make());
      proofBefore = await test.confirmer.makeConfirmation({ isConfirmed: true });
      enrolledBefore = await enrolApp(test, person().subject);
      await splitter.freeze();
    });
    afterAll(async () => {
      await test.close();
      await splitter.close();
      await database.drop();
    });
    beforeEach(() => {
      splitter.onReplica.length = 0;
      splitter.onPrimary.length = 0;
    });

    /** There were reads, by the protocol that is tried, and the primary has answered them all. */
    const expectNoStaleRead = (): void => {
      expect(splitter.onReplica).toEqual([]);
      const sql = expect.stringMatching(/^SELECT .* FOR UPDATE$/) as string;
      expect(splitter.onPrimary).toContainEqual({ sql, isPrepared });
      expect(splitter.onPrimary).not.toContainEqual({ sql, isPrepared: !isPrepared });
    };

    it('answers from the replica what reads outside of a transaction, by either protocol, and nothing else', async () => {
      const made = await make();
      const connection = await mysql.createConnection(splitter.url);
      const read = 'SELECT id FROM two_factor_confirmation WHERE id IN (?, ?)';
      const of = [before[0]!.state.id, made.state.id];
      const answers = async (): Promise<number[]> => {
        const results = [
          await connection.query<RowDataPacket[]>(read, of),
          await connection.execute<RowDataPacket[]>(read, of),
          await connection.query<RowDataPacket[]>(`${read} FOR UPDATE`, of),
          await connection.execute<RowDataPacket[]>(`${read} FOR UPDATE`, of),
        ];
        return results.map(([rows]) => rows.length);
      };

      const outside = await answers();
      await connection.beginTransaction();
      const inside = await answers();
      await connection.commit();
      const after = await answers();
      await connection.end();

      expect([outside, inside, after]).toEqual([
        [1, 1, 2, 2],
        [2, 2, 2, 2],
        [1, 1, 2, 2],
      ]);
      expect(splitter.onReplica.map((executed) => executed.isPrepared)).toEqual([
        false,
        true,
        false,
        true,
      ]);
    });

    it(`confirms ${CODES} of ${CODES} right codes, after a wrong one, and uses each proof once`, async () => {
      const outcomes: unknown[] = [];
      const live = async (made: Made): Promise<void> => {
        const { subject, purpose, state: asked } = made;
        const [wrong] = await test.confirmer.confirm(asked.id, WRONG_CODE);
        const [state, confirmed] = await test.confirmer.confirm(asked.id, asked.code!);
        const used = await test.confirmer.use(asked.id, { subject, purpose });
        const again = await test.confirmer.use(asked.id, { subject, purpose });
        outcomes.push([
          wrong?.attemptsLeft,
          state?.status,
          state?.attemptsLeft,
          confirmed,
          used,
          again,
        ]);
      };
      const frozen = [...before];
      while (frozen.length > 0) {
        const known = frozen.splice(0, AT_ONCE / 2).map(live);
        const unknown = known.map(async () => live(await make()));
        await Promise.all([...known, ...unknown]);
      }

      expect(outcomes).toEqual(
        Array.from({ length: CODES }, () => [4, 'confirmed', 3, true, true, false]),
      );
      expectNoStaleRead();
    });

    it('makes one confirmation and sends one message when a request is repeated with its idempotency key', async () => {
      const keyed = { ...person(), idempotencyKey: `key-of-person-${people}` };
      const sent = test.inbox.deliveries.length;

      const first = await test.twoFactor.request(keyed);
      const second = await test.twoFactor.request(keyed);

      expect(second.id).toBe(first.id);
      expect(test.inbox.deliveries).toHaveLength(sent + 1);
      expect((await test.confirmer.confirm(first.id, test.inbox.lastCode))[1]).toBe(true);
      expectNoStaleRead();
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
      expectNoStaleRead();
    });

    it('confirms over HTTP, and checks the state of the confirmation there', async () => {
      const { id } = await test.request({ token: person().token });

      expect((await test.post('/2factor/check', { id })).body).toMatchObject({ status: 'pending' });
      const answer = await test.post('/2factor/confirm', { id, code: test.inbox.lastCode });

      expect(answer.status).toBe(200);
      expect((await test.post('/2factor/check', { id })).body).toMatchObject({
        status: 'confirmed',
      });
      expectNoStaleRead();
    });

    it('answers true to the idempotency key that has used a proof, and false to others', async () => {
      const made = await test.confirmer.makeConfirmation({ isConfirmed: true });
      const key = 'the-key-of-the-first-call';

      for (const { id } of [made, proofBefore]) {
        expect(await test.confirmer.use(id, { idempotencyKey: key })).toBe(true);
        expect(await test.confirmer.use(id, { idempotencyKey: key })).toBe(true);
        expect(await test.confirmer.use(id, { idempotencyKey: `${key}-not` })).toBe(false);
      }
      expectNoStaleRead();
    });

    it.each(['before', 'after'])(
      'confirms by an app and by a recovery code that were enrolled %s the freeze, and lists what is left',
      async (when) => {
        const enrolled =
          when === 'before' ? enrolledBefore : await enrolApp(test, person().subject);
        const { subject, app, recoveryCodes } = enrolled;
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
        expectNoStaleRead();
      },
    );

    it('refuses a cancelled confirmation, and finds no unknown one', async () => {
      const ended = await test.confirmer.makeConfirmation(person());
      await test.confirmer.cancel(ended.id);
      const unknown = `${ended.id.slice(0, 20)}${'0'.repeat(16)}`;

      expect(await test.confirmer.confirm(ended.id, ended.code!)).toMatchObject([
        { status: 'cancelled' },
        false,
      ]);
      expect(await test.confirmer.confirm(unknown, WRONG_CODE)).toEqual([null, false]);
      expectNoStaleRead();
    });

    it('confirms no code by the naive twin, which reads and then decides, and uses one proof there as often as it is asked to', async () => {
      const naive = new NaiveConfirmer(test.dataSource.getRepository(ConfirmationRecord));
      let confirmed = 0;
      for (let left = NAIVE_CODES; left > 0; left -= 1) {
        const { state } = await make();
        const isConfirmed = await naive.confirm(state.id, true).catch(() => false);
        if (isConfirmed) confirmed += 1;
      }
      const uses = [await naive.use(proofBefore.id), await naive.use(proofBefore.id)];

      expect(confirmed).toBe(0);
      expect(uses).toEqual([true, true]);
      expect(splitter.onReplica.length).toBeGreaterThanOrEqual(NAIVE_CODES + 2);
    });
  },
);
