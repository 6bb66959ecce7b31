// Two concurrent changes of the last and of the first factor, over HTTP, under every isolation level of every engine.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { FactorRecord, recoveryCodes, totp } from '../../lib/index.js';
import { enrolApp, TestAuthenticator } from '../support/authenticator.js';
import { FactorClient, FACTORS, MANY } from '../support/factor-routes.js';
import { startHttpApp, type Answer, type HttpTestApp } from '../support/http.js';
import { isolationCells, setLevel } from '../support/isolation.js';
import { NaiveFactors } from '../support/naive-factors.js';

const POOL = 5;
const ROUNDS = 3;
const METHODS = [totp({ issuer: 'ACME', max: 3 }), recoveryCodes({ count: 10 })];

describe.each(isolationCells)(
  'Two concurrent changes of factors on $engine under $level',
  ({ engine, level }) => {
    let all: HttpTestApp[];
    let naive: NaiveFactors;
    let subjects = 0;

    beforeAll(async () => {
      const options = {
        controller: true,
        methods: METHODS,
        purposes: { factors: FACTORS },
        limits: MANY,
        databaseTimeoutMs: 60_000,
      };
      const dataSource = { poolSize: POOL };
      const first = await startHttpApp({ engine, options, dataSource });
      const second = await startHttpApp({ engine, database: first.database, options, dataSource });
      all = [first, second];
      for (const { dataSource: source } of all) await setLevel(source, level, POOL);
      naive = new NaiveFactors(first.dataSource);
    });
    afterAll(async () => {
      for (const each of all.toReversed()) await each.close();
    });

    const nextSubject = (): string => `user-${(subjects += 1)}`;
    /** The same person at both applications, whose clocks agree. */
    const clientsOf = (subject: string): FactorClient[] => {
      const [first, second] = all as [HttpTestApp, HttpTestApp];
      second.clock.advance((first.clock.now() - second.clock.now()) / 1_000);
      return all.map((each) => new FactorClient(each, subject));
    };
    const statusesOf = (answers: readonly Answer[]): number[] =>
      answers.map(({ status }) => status).toSorted((one, other) => one - other);
    const repositoryOf = () => all[0]!.dataSource.getRepository(FactorRecord);

    it('remove only one of the last two apps, and use only one of the two proofs', async () => {
      for (let round = 0; round < ROUNDS; round += 1) {
        const [first] = all as [HttpTestApp];
        const subject = nextSubject();
        const apps = [await enrolApp(first, subject), await enrolApp(first, subject)];
        const clients = clientsOf(subject);
        const proofs: string[] = [];
        for (const { factorId, app } of apps) {
          proofs.push(await clients[0]!.byApp({ change: 'remove', factor: factorId }, app));
        }
        clientsOf(subject);

        const answers = await Promise.all(
          apps.map(({ factorId }, at) =>
            clients[at]!.post('factors/remove', { factor: factorId }, proofs[at]),
          ),
        );

        expect(statusesOf(answers)).toEqual([200, 409]);
        expect(await clients[0]!.list()).toMatchObject([{ method: 'totp' }, { left: 10 }]);
        const used = await Promise.all(
          proofs.map(async (id) => (await first.row(id)).usedAt !== null),
        );
        expect(used.filter(Boolean)).toHaveLength(1);
      }
    });

    it('remove two of three apps, each by a proof of its own app, and neither locks the other out', async () => {
      for (let round = 0; round < ROUNDS; round += 1) {
        const [first] = all as [HttpTestApp];
        const subject = nextSubject();
        const apps = [await enrolApp(first, subject), await enrolApp(first, subject)];
        await enrolApp(first, subject);
        const clients = clientsOf(subject);
        const proofs: string[] = [];
        for (const { factorId, app } of apps) {
          proofs.push(await clients[0]!.byApp({ change: 'remove', factor: factorId }, app));
        }
        clientsOf(subject);

        const answers = await Promise.all(
          apps.map(({ factorId }, at) =>
            clients[at]!.post('factors/remove', { factor: factorId }, proofs[at]),
          ),
        );

        expect(statusesOf(answers)).toEqual([200, 200]);
      }
    });

    it('remove both of the last two apps in the naive twin', async () => {
      let removed = 0;
      for (let round = 0; round < 10 && removed < 2; round += 1) {
        const subject = nextSubject();
        const apps = [await enrolApp(all[0]!, subject), await enrolApp(all[0]!, subject)];
        const done = await Promise.all(apps.map(({ factorId }) => naive.remove(subject, factorId)));
        removed = done.filter(Boolean).length;
      }
      expect(removed).toBe(2);
    });

    /** Of one method there is one pending enrolment; the first one is hidden while the second is begun. */
    async function twoPending(subject: string): Promise<{ id: string; app: TestAuthenticator }[]> {
      const [client] = clientsOf(subject) as [FactorClient];
      const details = { change: 'enrol', method: 'totp' };
      const proofs = [await client.byCode(details), await client.byCode(details)];
      const first = await client.enrol(proofs[0]);
      await repositoryOf().update({ id: first.id }, { method: 'hidden' });
      const second = await client.enrol(proofs[1]);
      await repositoryOf().update({ id: first.id }, { method: 'totp' });
      return [first, second];
    }

    it('activate only one of two apps when the subject has no factor yet', async () => {
      for (let round = 0; round < ROUNDS; round += 1) {
        const subject = nextSubject();
        const pending = await twoPending(subject);
        const clients = clientsOf(subject);

        const answers = await Promise.all(pending.map((each, at) => clients[at]!.activate(each)));

        expect(statusesOf(answers)).toEqual([200, 404]);
        expect(await clients[0]!.list()).toMatchObject([{ method: 'totp' }, { left: 10 }]);
      }
    });

    it('activate both apps of a subject without a factor in the naive twin', async () => {
      let activated = 0;
      for (let round = 0; round < 10 && activated < 2; round += 1) {
        const subject = nextSubject();
        const pending = await twoPending(subject);
        const done = await Promise.all(pending.map(({ id }) => naive.activateFirst(subject, id)));
        activated = done.filter(Boolean).length;
      }
      expect(activated).toBe(2);
    });

    it('begin only one enrolment when two calls send the same proof', async () => {
      const subject = nextSubject();
      const clients = clientsOf(subject);
      const proof = await clients[0]!.byCode({ change: 'enrol', method: 'totp' });

      const answers = await Promise.all(
        clients.map((client) => client.post('factors/enrol', { method: 'totp' }, proof)),
      );

      expect(statusesOf(answers)).toEqual([200, 409]);
      expect(await repositoryOf().countBy({ subject, method: 'totp' })).toBe(1);
    });
  },
);
