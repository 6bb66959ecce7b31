// The server says no, and would say yes in a moment: a lost race, a lock, a shutdown. Never a 500, never a success. What no
// repeated call gets over is in `refusals-by-cause.spec.ts`.
import { randomUUID } from 'node:crypto';

import { Body, ConflictException, Controller, HttpCode, Inject, Post } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { ConfirmationRecord, type ConfirmationProof } from '../../../lib/index.js';
import { openDatabase, servers, type TestDatabase } from '../../support/engines.js';
import { FaultProxy } from '../../support/fault-proxy.js';
import { startHttpApp, type Answer, type HttpTestApp } from '../../support/http.js';
import { NaiveConfirmer } from '../../support/naive-confirmer.js';
import { TransfersController } from '../../support/transfers.js';
import { expectNoStrayRejections, inGroups, quietly, STATEMENTS, tally } from './behind-proxy.js';

const MAX_ATTEMPTS = 5;
/** A statement of our own that lost a race is tried this often. */
const TRIES = MAX_ATTEMPTS + 1;

/** SQLSTATE on PostgreSQL, error number elsewhere. */
const LOST_RACES = {
  postgres: ['40001', '40P01'],
  mariadb: [1213, 1205, 1020],
  mysql: [1213, 1205],
} as const;

const ISOLATIONS = ['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE'] as const;

const REFUSALS = {
  postgres: {
    'too many connections': '53300',
    'a shutdown': '57P01',
    'a start': '57P03',
    'a cancelled statement': '57014',
    'a lock that is not available': '55P03',
    'a lost connection to its storage': '58030',
  },
  mariadb: {
    'too many connections': 1040,
    'a shutdown': 1053,
    'a killed connection': 1927,
    'a statement that took too long': 1969,
    'a Galera node that is not ready': 1047,
  },
  mysql: {
    'too many connections': 1040,
    'a shutdown': 1053,
    'an interrupted statement': 1317,
    'a statement that took too long': 3024,
    'a member of a group that is not ready': 3100,
  },
} as const;

class TransfersWithEffect extends TransfersController {
  protected override async effect(manager: EntityManager, proof: ConfirmationProof): Promise<void> {
    await manager.query(`INSERT INTO effect VALUES ('${proof.id}')`);
  }
}

/** Find, check, save: in a transaction, too. */
@Controller('naive-transfers')
class NaiveTransfersController {
  constructor(@Inject(DataSource) private readonly dataSource: DataSource) {}

  @Post()
  @HttpCode(200)
  async transfer(
    @Body() { isolation, id }: { isolation: (typeof ISOLATIONS)[number]; id: string },
  ): Promise<{ done: boolean }> {
    const done = await this.dataSource.transaction(isolation, async (manager) => {
      const used = await new NaiveConfirmer(manager.getRepository(ConfirmationRecord)).use(id);
      if (used) await manager.query(`INSERT INTO unguarded_effect VALUES ('${id}')`);
      return used;
    });
    if (!done) throw new ConflictException();
    return { done };
  }
}

expectNoStrayRejections();

describe.each(servers)('Refusals of the server on %s', (engine) => {
  let database: TestDatabase;
  let proxy: FaultProxy;
  let http: HttpTestApp;

  beforeAll(async () => {
    database = await openDatabase(engine);
    proxy = await FaultProxy.before((database.options as { url: string }).url);
    http = await startHttpApp({
      ...quietly,
      database: proxy.through(database),
      controllers: [TransfersWithEffect],
      options: {
        controller: true,
        // All requests come from one address: the default limits, each request by a requester of its own.
        limits: { requester: () => randomUUID() },
        maxAttempts: MAX_ATTEMPTS,
        databaseTimeoutMs: 60_000,
        purposes: {
          '': { open: true },
          transfer: { subject: () => 'ann', recipient: () => 'ann@bank.example' },
        },
      },
    });
    await http.dataSource.query(
      'CREATE TABLE effect (confirmation varchar(36) NOT NULL PRIMARY KEY)',
    );
  });
  afterAll(async () => {
    proxy.calm();
    await http.close();
    await proxy.close();
    await database.drop();
  });

  /** Each route with the statement it lives by. */
  interface Route {
    readonly statement: RegExp;
    readonly prepare: () => Promise<() => Promise<Answer>>;
  }
  const posted =
    (path: string, body: () => Promise<object>): Route['prepare'] =>
    async () => {
      const prepared = await body();
      return () => http.post(`/2factor/${path}`, prepared);
    };
  /** Each for another token: the limits of one are for few. */
  let tokens = 0;
  const asked = async (): Promise<Record<string, unknown>> => {
    tokens += 1;
    return { token: `token-${tokens}@example.com` };
  };
  const requested = async (): Promise<{ id: string; code: string }> => http.request(await asked());
  const routes = {
    request: { statement: STATEMENTS.insert, prepare: posted('request-confirmation', asked) },
    resend: {
      statement: STATEMENTS.bind,
      prepare: posted('resend', async () => {
        const { id } = await requested();
        http.clock.advance(31);
        return { id };
      }),
    },
    confirm: { statement: STATEMENTS.confirm, prepare: posted('confirm', requested) },
    check: {
      statement: STATEMENTS.find,
      prepare: posted('check', async () => ({ id: (await requested()).id })),
    },
  } satisfies Record<string, Route>;
  const names = Object.keys(routes) as (keyof typeof routes)[];

  describe.each<string | number>(LOST_RACES[engine])('lost race %s', (code) => {
    it.each(names)(`repeats %s when it loses, and the ${TRIES}th try succeeds`, async (name) => {
      const { statement, prepare } = routes[name];
      const call = await prepare();
      const trap = proxy.trap(statement, { refused: code }, TRIES - 1);

      expect((await call()).status).toBe(200);
      expect(trap.caught).toBe(TRIES - 1);
    });

    it.each(names)('answers 503 with Retry-After, never 500, when %s never wins', async (name) => {
      const { statement, prepare } = routes[name];
      const call = await prepare();
      const trap = proxy.trap(statement, { refused: code }, TRIES);

      expect(await call()).toBeProblem(503, 'temporarily-unavailable', { retryAfter: 1 });
      expect(trap.caught).toBe(TRIES);
    });

    it('repeats no use when it runs in a transaction: a guarded route answers 409, and the proof stays (case 40)', async () => {
      const { id } = await http.confirmer.makeConfirmation({
        purpose: 'transfer',
        subject: 'ann',
        isConfirmed: true,
      });
      const trap = proxy.trap(STATEMENTS.keepReserved, { refused: code });
      const transfer = (): Promise<Answer> =>
        http.post('/transfers', { isolation: 'READ COMMITTED' }, { 'x-confirmation-id': id });

      expect(await transfer()).toBeProblem(409, 'conflict');
      expect(trap.caught).toBe(1);
      expect((await http.row(id)).usedAt).toBeNull();

      expect((await transfer()).status).toBe(200);
      expect(await transfer()).toBeProblem(409, 'confirmation-used');
    });
  });

  describe.each(Object.entries(REFUSALS[engine]))('%s', (_, code) => {
    it.each(names)(
      'is answered by 503 with Retry-After when %s meets it, once, and no longer (case 83)',
      async (name) => {
        const { statement, prepare } = routes[name];
        const call = await prepare();
        const trap = proxy.trap(statement, { refused: code });

        expect(await call()).toBeProblem(503, 'temporarily-unavailable', { retryAfter: 1 });
        expect(trap.caught).toBe(1);
        expect((await (await prepare())()).status).toBe(200);
      },
    );

    it('is answered by 503 without effect when a guarded route meets it, and the proof stays (case 83)', async () => {
      const { id } = await http.confirmer.makeConfirmation({
        purpose: 'transfer',
        subject: 'ann',
        isConfirmed: true,
      });
      proxy.trap(STATEMENTS.use, { refused: code });
      const transfer = (): Promise<Answer> =>
        http.post('/transfers', { isolation: 'READ COMMITTED' }, { 'x-confirmation-id': id });

      expect(await transfer()).toBeProblem(503, 'temporarily-unavailable', { retryAfter: 1 });
      expect((await http.row(id)).usedAt).toBeNull();
      expect((await transfer()).status).toBe(200);
    });
  });
});

describe.each(servers)('Isolation levels over HTTP on %s', (engine) => {
  it.each(ISOLATIONS)(
    'give the documented answers when three applications call in parallel at %s, and one transfer happens (case 40)',
    async (isolation) => {
      const database = await openDatabase(engine);
      const options = {
        controller: true,
        limits: { requester: () => randomUUID() },
        databaseTimeoutMs: 60_000,
        purposes: {
          '': { open: true },
          transfer: { subject: () => 'ann', recipient: () => 'ann@bank.example' },
        },
      } as const;
      const apps: HttpTestApp[] = [];
      for (let count = 0; count < 3; count += 1) {
        const app = await startHttpApp({
          ...quietly,
          database,
          options,
          controllers: [TransfersWithEffect, NaiveTransfersController],
          dataSource: {
            poolSize: 8,
            isolationLevel: isolation,
            // What the statements outside of transactions run at.
            ...(engine === 'postgres' && {
              extra: {
                options: `-c default_transaction_isolation=${isolation.replace(' ', '\\ ')}`,
              },
            }),
          },
        });
        apps.push(app);
      }
      const [first] = apps;
      await first!.dataSource.query(
        'CREATE TABLE effect (confirmation varchar(36) NOT NULL PRIMARY KEY)',
      );
      await first!.dataSource.query(
        'CREATE TABLE unguarded_effect (confirmation varchar(36) NOT NULL)',
      );
      let turn = 0;
      const app = (): HttpTestApp => {
        turn += 1;
        return apps[turn % apps.length]!;
      };
      const { id } = await first!.confirmer.makeConfirmation({
        purpose: 'transfer',
        subject: 'ann',
        isConfirmed: true,
      });
      const guessed = await first!.twoFactor.request({ token: 'ann@example.com' });

      const transfers = inGroups(
        40,
        () => app().post('/transfers', { isolation }, { 'x-confirmation-id': id }),
        40,
      );
      const guesses = inGroups(
        40,
        () => app().post('/2factor/confirm', { id: guessed.id, code: 'WRONGCODE' }),
        40,
      );
      const resends = inGroups(10, () => app().post('/2factor/resend', { id: guessed.id }), 10);
      const statuses = (answers: readonly Answer[]): Record<string, number> =>
        tally(answers.map(({ status }) => String(status)));

      const [transferred, guessedAnswers, resent] = await Promise.all([
        transfers,
        guesses,
        resends,
      ]);

      const { 200: done, 409: refused = 0 } = statuses(transferred);
      expect([done, refused]).toEqual([1, 39]);
      const effects: unknown[] = await first!.dataSource.query('SELECT * FROM effect');
      expect(effects).toHaveLength(1);
      expect(statuses(guessedAnswers)).toEqual({ 422: 5, 410: 35 });
      const record = await first!.dataSource
        .getRepository(ConfirmationRecord)
        .findOneByOrFail({ id: guessed.id });
      expect(record.attempts).toBe(5);
      for (const { status } of resent) expect([410, 429]).toContain(status);

      // The naive twin: several transfers, or answers 500.
      const naive = await first!.confirmer.makeConfirmation({ isConfirmed: true });
      const twin = await inGroups(
        40,
        () => app().post('/naive-transfers', { isolation, id: naive.id }),
        40,
      );
      expect(statuses(twin)).not.toEqual({ 200: 1, 409: 39 });
      for (const each of apps) await each.close();
      await database.drop();
    },
  );
});
