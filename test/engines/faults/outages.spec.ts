// The server goes away, stands still or takes no writes, and comes back: the application was never restarted.
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { ConfirmationRecord } from '../../../lib/index.js';
import { engines, openDatabase, type TestDatabase } from '../../support/engines.js';
import { startHttpApp, type HttpTestApp } from '../../support/http.js';
import { ownServers, type OwnServer } from '../../support/own-servers.js';
import { startApp } from '../../support/test-app.js';
import { expectNoStrayRejections, inGroups, outcomeOf, quietly, tally } from './behind-proxy.js';

const UNAVAILABLE = 'TwoFactorUnavailableError';
/** Long enough for a busy machine to answer. The servers are tested side by side, because each of them stands still for three of these. */
const TIMEOUT_MS = 4_000;
const PATIENTLY = { timeout: 60_000 };
const POOL = 6;

expectNoStrayRejections();

/** A proof and a code, made while all is well. */
interface Prepared {
  readonly proof: string;
  readonly id: string;
  readonly code: string;
  readonly token: string;
}

/** Each outage is about another token: the limits of one are for few. */
let tokens = 0;

async function prepare({ confirmer }: HttpTestApp): Promise<Prepared> {
  tokens += 1;
  const token = `token-${tokens}@example.com`;
  const proof = await confirmer.makeConfirmation({ isConfirmed: true });
  const state = await confirmer.makeConfirmation({ token, way: 'default' });
  return { proof: proof.id, id: state.id, code: state.code!, token };
}

/** The error of every call that writes, and of every call that reads. */
async function attempts(
  http: HttpTestApp,
  { proof, id, code, token }: Prepared,
  refusal: readonly [slug: string, members?: Record<string, unknown>] = [
    'temporarily-unavailable',
    { retryAfter: 1 },
  ],
): Promise<unknown> {
  const sent = http.inbox.deliveries.length;
  const { confirmer, sender } = http;
  const services = await Promise.all([
    outcomeOf(confirmer.use(proof)),
    outcomeOf(confirmer.use(proof, { idempotencyKey: 'key-of-one-request' })),
    outcomeOf(confirmer.confirm(id, code)),
    outcomeOf(confirmer.confirm(id, 'WRONGCODE')),
    outcomeOf(confirmer.cancel(id)),
    outcomeOf(confirmer.makeConfirmation({ isConfirmed: true })),
    outcomeOf(confirmer.purge()),
    outcomeOf(confirmer.erase({ subject: 'ann' })),
    outcomeOf(sender.send(null, token, id)),
  ]);
  const routes = await Promise.all([
    http.post('/2factor/confirm', { id, code }),
    http.post('/2factor/request-confirmation', { token }),
  ]);
  for (const answer of routes) {
    expect(answer).toBeProblem(503, ...refusal);
  }
  const check = await http.post('/2factor/check', { id });
  return {
    services: tally(services),
    check: check.status,
    sent: http.inbox.deliveries.length - sent,
  };
}

const DOWN = { services: { [UNAVAILABLE]: 9 }, check: 503, sent: 0 };
const READ_ONLY = { ...DOWN, check: 200 };

/** What was prepared is as it was, and the same application works with it. */
async function life(http: HttpTestApp, { proof, id, code, token }: Prepared): Promise<unknown> {
  const { attempts, sends, cancelledAt } = await http.row(id);
  const { usedAt } = await http.row(proof);
  const confirmed = await http.post('/2factor/confirm', { id, code });
  const uses = [
    await http.confirmer.use(id),
    await http.confirmer.use(proof),
    await http.confirmer.use(proof),
  ];
  const another = await http.post('/2factor/confirm', await http.request({ token }));
  const statuses = [confirmed.status, another.status];
  return { kept: { attempts, sends, cancelledAt, usedAt }, statuses, uses };
}

const WELL = {
  kept: { attempts: 0, sends: 0, cancelledAt: null, usedAt: null },
  statuses: [200, 200],
  uses: [true, true, false],
};

describe.concurrent.each(ownServers)('An outage of $engine', ({ engine, launch }) => {
  let server: OwnServer;
  let http: HttpTestApp;

  beforeAll(async () => {
    server = await launch([]);
    const database: TestDatabase = {
      engine,
      options: { type: engine, url: server.url, poolSize: POOL },
      drop: async () => undefined,
    };
    http = await startHttpApp({
      ...quietly,
      database,
      options: { controller: true, databaseTimeoutMs: TIMEOUT_MS },
    });
  });
  afterAll(async () => {
    server.thaw();
    await http.close();
    await server.close();
  });

  /** As many connections as the pool may have, so that all of them have to be got over. */
  const fillPool = (sql = 'SELECT 1'): Promise<unknown[]> =>
    Promise.all(Array.from({ length: POOL }, () => http.dataSource.query(sql)));

  it.sequential.each(['politely', 'SIGKILL'] as const)(
    'is answered by 503 when the server is stopped (%s), and the same application works when it is started again (case 83)',
    async (how) => {
      await fillPool();
      const prepared = await prepare(http);

      await (how === 'politely' ? server.stop() : server.stop(how));
      expect(await attempts(http, prepared)).toEqual(DOWN);
      expect(await attempts(http, prepared)).toEqual(DOWN);

      await server.start();
      expect(await life(http, prepared)).toEqual(WELL);
    },
  );

  it.sequential(
    'keeps spent what was answered true, and spends nothing twice, when the server is killed under load (case 83)',
    async () => {
      const proofs = await inGroups(150, () =>
        http.confirmer.makeConfirmation({ isConfirmed: true }),
      );
      const keyOf = (at: number): string => `key-under-load-${at}`;
      let answered = 0;
      let killed: Promise<void> | undefined;
      const outcomes = await inGroups(
        150,
        async (at) => {
          // A fast machine answers all calls before the server is dead. The last ones come when it is.
          if (at >= 135) await killed;
          const outcome = await outcomeOf(
            http.confirmer.use(proofs[at]!, { idempotencyKey: keyOf(at) }),
          );
          answered += 1;
          if (answered === 50) killed = server.stop('SIGKILL');
          return outcome;
        },
        // Fewer at once than are answered before: what is joined is answered at once.
        15,
      );
      await killed;
      await server.start();

      const { true: wins = 0, [UNAVAILABLE]: failures = 0 } = tally(outcomes);
      expect(wins).toBeGreaterThan(0);
      expect(failures).toBeGreaterThan(0);
      expect(wins + failures).toBe(150);
      const after = await inGroups(150, async (at) => {
        const row = await http.row(proofs[at]!.id);
        const other = await http.confirmer.use(proofs[at]!, {
          idempotencyKey: 'key-of-another-caller',
        });
        const same = await http.confirmer.use(proofs[at]!, { idempotencyKey: keyOf(at) });
        // One of the two callers got the proof, and the caller that was answered true keeps it.
        return `${outcomes[at] === 'true' && row.usedAt === null ? 'lost' : 'kept'} ${Number(other) + Number(same)}`;
      });
      expect(tally(after)).toEqual({ 'kept 1': 150 });
    },
  );

  it.sequential(
    'costs one call a session at most when all sessions are terminated, and every call ends (case 83)',
    async () => {
      await fillPool();
      const prepared = await prepare(http);
      const proofs = await inGroups(60, () =>
        http.confirmer.makeConfirmation({ isConfirmed: true }),
      );

      const uses = (): Promise<string>[] =>
        proofs.map((proof) => outcomeOf(http.confirmer.use(proof, { idempotencyKey: proof.id })));
      const calls = uses();
      await server.terminateSessions();
      const { true: wins = 0, [UNAVAILABLE]: failures = 0 } = tally(await Promise.all(calls));
      expect(wins + failures).toBe(60);

      // The news of its end may reach a connection after its next call: that costs one call each, and never an answer.
      const { true: again = 0, [UNAVAILABLE]: late = 0 } = tally(await Promise.all(uses()));
      expect(again + late).toBe(60);
      expect(late).toBeLessThanOrEqual(POOL);
      expect(tally(await Promise.all(uses()))).toEqual({ true: 60 });
      expect(await life(http, prepared)).toEqual(WELL);
    },
  );

  it.sequential(
    'ends each call in time when the server stands still for three deadlines, and calls work when it goes on (case 83)',
    async () => {
      await fillPool();
      const prepared = await prepare(http);

      await server.freeze();
      const outcomes: string[] = [];
      for (let round = 0; round < 3; round += 1) {
        outcomes.push(
          ...(await Promise.all([
            outcomeOf(http.confirmer.check(prepared.proof)),
            outcomeOf(http.confirmer.check(prepared.id)),
            http.post('/2factor/check', { id: prepared.id }).then(({ status }) => String(status)),
          ])),
        );
      }
      server.thaw();

      expect(tally(outcomes)).toEqual({ [UNAVAILABLE]: 6, '503': 3 });
      expect(await life(http, prepared)).toEqual(WELL);
    },
  );

  it.sequential(
    'is answered by 503 on every instance when the database takes no writes, and ends without a restart (case 83)',
    async () => {
      const readOnly = async (isOn: boolean): Promise<void> => {
        const { execute } = server;
        if (engine !== 'postgres') {
          await execute(`SET GLOBAL read_only = ${isOn ? 'ON' : 'OFF'}`);
          return;
        }
        // Under the sessions that are open, as a standby that is promoted.
        await execute(`ALTER SYSTEM SET default_transaction_read_only = ${isOn ? 'on' : 'off'}`);
        await execute('SELECT pg_reload_conf()');
        const setting = 'default_transaction_read_only';
        await vi.waitFor(async () => {
          const rows = (await fillPool(`SHOW ${setting}`)) as { [setting]: string }[][];
          expect(rows.every(([row]) => row?.[setting] === (isOn ? 'on' : 'off'))).toBe(true);
        }, PATIENTLY);
      };
      const prepared = await prepare(http);
      await fillPool();

      await readOnly(true);
      expect(await attempts(http, prepared, ['out-of-service'])).toEqual(READ_ONLY);

      await readOnly(false);
      expect(await life(http, prepared)).toEqual(WELL);
    },
  );

  it.sequential(
    'is answered by 503 when the server takes no more connections, and ends when it does (case 83)',
    async () => {
      const { execute } = server;
      const allow = (count: number, unlimited: number): Promise<unknown> =>
        execute(
          engine === 'postgres'
            ? `ALTER ROLE application CONNECTION LIMIT ${count}`
            : `ALTER USER application WITH MAX_USER_CONNECTIONS ${count === unlimited ? 0 : count}`,
        );
      const prepared = await prepare(http);
      await allow(1, -1);
      await server.terminateSessions();
      const other = new DataSource({ type: engine, url: server.url, poolSize: 1 });
      await other.initialize();

      expect(await attempts(http, prepared)).toEqual(DOWN);

      await other.destroy();
      await allow(-1, -1);
      expect(await life(http, prepared)).toEqual(WELL);
    },
  );
});

const files = engines.filter((engine) => engine === 'better-sqlite3');

describe.each(files)('A read-only file of %s', (engine) => {
  it('is answered by 503 when a call writes, and needs no restart when it is writable again (case 83)', async () => {
    const http = await startHttpApp({
      ...quietly,
      engine,
      options: { controller: true, databaseTimeoutMs: TIMEOUT_MS },
    });
    const prepared = await prepare(http);

    await http.dataSource.query('PRAGMA query_only = ON');
    expect(await attempts(http, prepared, ['out-of-service'])).toEqual(READ_ONLY);

    await http.dataSource.query('PRAGMA query_only = OFF');
    expect(await life(http, prepared)).toEqual(WELL);
    await http.close();
  });

  it('serves calls that only read when it was opened read-only, and all others throw TwoFactorUnavailableError (case 83)', async () => {
    const database = await openDatabase(engine);
    const writable = await startApp({ database });
    const { id } = await writable.confirmer.makeConfirmation({ isConfirmed: true });
    await writable.app.close();
    const reader = await startApp({
      database,
      dataSource: { migrationsRun: false, readonly: true } as object,
    });

    expect((await reader.confirmer.check(id))[1]).toBe(true);
    expect(await outcomeOf(reader.confirmer.use(id))).toBe(UNAVAILABLE);
    expect(await outcomeOf(reader.confirmer.makeConfirmation())).toBe(UNAVAILABLE);
    const record = await reader.dataSource
      .getRepository(ConfirmationRecord)
      .findOneByOrFail({ id });
    expect(record.usedAt).toBeNull();
    await reader.close();
    await database.drop();
  });
});
