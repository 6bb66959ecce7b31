// Threat: what breaks at the worst moment, and clocks that disagree (security.md, section 2 H).
import { Controller, Get } from '@nestjs/common';
import { Client } from 'pg';
import { afterEach, describe, expect, it } from 'vitest';

import {
  ConfirmationRecord,
  LimitRecord,
  LimitService,
  TwoFactorUnavailableError,
} from '../../lib/index.js';
import { WRONG_CODE } from '../support/canaries.js';
import { doors, httpDoors, type Entrance } from '../support/doors.js';
import { dumpOf } from '../support/dump.js';
import { engines, found, servers } from '../support/engines.js';
import { interceptStatements } from '../support/intercept-statements.js';
import { startApp, type TestApp } from '../support/test-app.js';

describe.each(engines)('Reliability, through the services on %s:', (engine) => {
  let test: TestApp;
  afterEach(() => test.close());

  /** The next UPDATE is carried out, and its answer is lost: what a process that dies just then leaves. */
  function loseNextAnswer(): void {
    let isLost = false;
    interceptStatements(test.dataSource, async (sql, run) => {
      const answer = await run();
      if (isLost || !/^(WITH .*)?UPDATE .two_factor_confirmation/.test(sql)) return answer;
      isLost = true;
      throw new Error('Connection terminated unexpectedly');
    });
  }

  it('79 has charged a wrong code whose answer is lost, and takes the right one next', async () => {
    test = await startApp({ engine });
    const { confirmer } = test;
    const state = await confirmer.makeConfirmation();

    loseNextAnswer();
    await expect(confirmer.confirm(state.id, WRONG_CODE)).rejects.toBeInstanceOf(
      TwoFactorUnavailableError,
    );

    expect((await confirmer.check(state.id))[0]).toMatchObject({
      status: 'pending',
      attemptsLeft: 4,
    });
    expect((await confirmer.confirm(state.id, state.code!))[1]).toBe(true);
  });

  it('79 stays confirmed, and used, when the answer of the call is lost; a repeat with the key of the use succeeds', async () => {
    test = await startApp({ engine });
    const { confirmer } = test;
    const state = await confirmer.makeConfirmation();
    const code = state.code!;
    const key = 'the-transfer-number-1';

    loseNextAnswer();
    await expect(confirmer.confirm(state.id, code)).rejects.toBeInstanceOf(
      TwoFactorUnavailableError,
    );
    expect(await confirmer.confirm(state.id, code)).toMatchObject([{ status: 'confirmed' }, false]);
    loseNextAnswer();
    await expect(confirmer.use(state, { idempotencyKey: key })).rejects.toBeInstanceOf(
      TwoFactorUnavailableError,
    );

    expect(await confirmer.use(state)).toBe(false);
    expect(await confirmer.use(state, { idempotencyKey: `${key}0` })).toBe(false);
    expect(await confirmer.use(state, { idempotencyKey: key })).toBe(true);
  });

  it('80 keeps its times in every zone, over the change of summer time, and in 2039', async () => {
    const zone = process.env['TZ'];
    const moments = [
      // New Zealand's clocks go forward, and back.
      '2026-09-26T13:55:00.000Z',
      '2027-04-03T13:55:00.000Z',
      '2026-10-25T00:55:00.000Z',
      '2039-07-01T00:00:00.000Z',
    ];
    // One connection, so that its zone is the one that is set.
    test = await startApp({ engine, dataSource: { poolSize: 1 } });
    const { clock, confirmer, dataSource } = test;
    const inZone = async (name: string, offset: string): Promise<void> => {
      process.env['TZ'] = name;
      if (engine === 'postgres') await dataSource.query(`SET TIME ZONE '${name}'`);
      if (engine === 'mariadb' || engine === 'mysql')
        await dataSource.query(`SET time_zone = '${offset}'`);
    };
    try {
      for (const moment of moments) {
        clock.advance((new Date(moment).getTime() - clock.now()) / 1_000);
        await inZone('Pacific/Auckland', '+13:00');
        const early = await confirmer.makeConfirmation();
        const late = await confirmer.makeConfirmation();
        expect(early.createdAt.toISOString()).toBe(moment);
        await inZone('America/St_Johns', '-03:30');
        clock.advance(599.999);
        expect((await confirmer.confirm(early.id, early.code!))[1]).toBe(true);
        await inZone('Asia/Kathmandu', '+05:45');
        clock.advance(0.001);
        expect(await confirmer.confirm(late.id, late.code!)).toMatchObject([
          { status: 'expired', attemptsLeft: 5 },
          false,
        ]);
        clock.advance(299.998);
        expect(await confirmer.use(early)).toBe(true);
        const row = await dataSource.getRepository(ConfirmationRecord).findOneByOrFail({
          id: early.id,
        });
        const start = new Date(moment).getTime();
        expect(row).toMatchObject({
          createdAt: start,
          expiresAt: start + 600_000,
          confirmedAt: start + 599_999,
          useBefore: start + 899_999,
          usedAt: start + 899_998,
        });
      }
    } finally {
      if (zone === undefined) delete process.env['TZ'];
      else process.env['TZ'] = zone;
    }
  });

  it('84 purges in batches of at most 1,000, may be stopped anywhere, and takes nothing that lives', async () => {
    test = await startApp({ engine });
    const { clock, confirmer, dataSource, log } = test;
    const repository = dataSource.getRepository(ConfirmationRecord);
    const { id } = await confirmer.makeConfirmation();
    const template: object = await repository.findOneByOrFail({ id });
    const dead = Array.from({ length: 2_500 }, (_, at) => ({
      ...template,
      id: String(at).padStart(36, '0'),
      createdAt: 1,
      expiresAt: 600_001,
    }));
    for (let at = 0; at < dead.length; at += 500) await repository.insert(dead.slice(at, at + 500));
    clock.advance(10);
    const live = await confirmer.makeConfirmation();
    const proof = await confirmer.makeConfirmation({ isConfirmed: true });

    // Stopped after its first batch.
    const abort = new AbortController();
    const stop = log.logQuery.bind(log);
    log.logQuery = (query, parameters) => {
      if (String(query).startsWith('DELETE')) abort.abort();
      stop(query, parameters);
    };
    expect(await confirmer.purge({ batchSize: 1_000, signal: abort.signal })).toBe(1_000);
    log.logQuery = stop;
    const statements = await log.during(async () => {
      expect(await confirmer.purge({ batchSize: 1_000 })).toBe(1_500);
    });

    // Which rows have ended, and their deletion, in two batches. What the limits purge of their own comes after that.
    const verbs = statements.flatMap(({ sql }) =>
      sql.includes('two_factor_limit') ? [] : [sql.slice(0, 6)],
    );
    expect(verbs).toEqual(['SELECT', 'DELETE', 'SELECT', 'DELETE']);
    expect(statements[0]?.parameters).toContain(1_000);
    expect(await repository.count()).toBe(3);
    expect((await confirmer.confirm(live.id, live.code!))[1]).toBe(true);
    expect(await confirmer.use(proof)).toBe(true);
    await expect(confirmer.purge({ batchSize: 1_001 })).rejects.toThrow(/1 to 1000/);
  });
});

describe.each(doors)('Reliability, through $name:', ({ open }) => {
  let door: Entrance;
  afterEach(() => door.close());

  it('83 answers that it is unavailable while the database takes no writes, and recovers by itself', async () => {
    door = await open();
    const { dataSource, inbox } = door.test;
    const { id, code } = await door.made();
    const proof = await door.test.confirmer.makeConfirmation({ isConfirmed: true });
    // As after a fail-over: SQLITE_READONLY; 25006 on PostgreSQL is below.
    await dataSource.query('PRAGMA query_only = ON');
    const sent = inbox.deliveries.length;

    await door.unchanged(async () => {
      expect(await door.confirm(id, code)).toBe('out-of-service');
      expect(await door.confirm(id, WRONG_CODE)).toBe('out-of-service');
      expect(await door.request({ token: 'ann@example.com' })).toBe('out-of-service');
      await expect(door.test.confirmer.use(proof)).rejects.toBeInstanceOf(
        TwoFactorUnavailableError,
      );
    });
    expect(inbox.deliveries).toHaveLength(sent);

    await dataSource.query('PRAGMA query_only = OFF');
    expect(await door.confirm(id, code)).toBe('done');
    expect(await door.test.confirmer.use(proof)).toBe(true);
  });

  it('85 finds no confirmation that was erased, whether pending or ended', async () => {
    door = await open({ options: { purposes: { login: { open: true } }, limits: {} } });
    const { clock, confirmer, dataSource, inbox, sender, twoFactor } = door.test;
    const made = async (subject: string) => {
      const { id } = await twoFactor.request({
        token: 'ann@example.com',
        subject,
        purpose: 'login',
      });
      return { id, code: inbox.lastCode };
    };
    const [pending, confirmed, bobs] = [await made('ann'), await made('ann'), await made('bob')];
    const state = (await confirmer.check(pending.id))[0]!;
    await confirmer.confirm(confirmed.id, confirmed.code);

    expect(await confirmer.erase({ subject: 'ann' })).toBe(2);

    clock.advance(30);
    await door.unchanged(async () => {
      for (const { id, code } of [pending, confirmed]) {
        expect(await door.confirm(id, code)).toBe('not-found');
        expect(await door.resend(id)).toBe('not-found');
        expect(await door.check(id)).toBe('not-found');
        expect(await confirmer.use(id, { purpose: 'login', subject: 'ann' })).toBe(false);
      }
      expect(await state.confirm()).toBe(false);
    });
    // A message is charged before its confirmation is read, and the charge is given back.
    const charged = () =>
      dataSource.getRepository(LimitRecord).find({ select: { id: true, amount: true } });
    const before = await charged();
    await expect(sender.send(null, 'ann@example.com', state)).rejects.toThrow(/no such/);
    expect(await charged()).toEqual(before);
    expect(before).not.toEqual([]);
    expect(await door.confirm(bobs.id, bobs.code)).toBe('done');
  });

  it('85 keeps nothing of an erased subject but keyed hashes, until their time is over', async () => {
    door = await open({ options: { limits: {} } });
    const { app, clock, confirmer, dataSource, inbox, twoFactor } = door.test;
    const limits = app.get(LimitService, { strict: false });
    const input = { token: 'ann-of-the-limits@example.com', subject: 'ann-of-the-limits' };
    const { id } = await twoFactor.request(input);
    const { lastCode } = inbox;
    expect(await door.confirm(id, WRONG_CODE)).toBe('code-mismatch, 4 left');

    await confirmer.erase({ subject: input.subject });

    const dumped = async () => JSON.stringify(await dumpOf(dataSource));
    expect(await dataSource.getRepository(LimitRecord).count()).toBeGreaterThan(0);
    for (const clear of ['ann-of', 'example.com', id, lastCode])
      expect(await dumped()).not.toContain(clear);
    for (const { id: key } of await dataSource.getRepository(LimitRecord).find())
      expect(key).toMatch(/^[0-9a-f]{32}$/);
    // An erasure gives no new guesses.
    expect(await limits.failures(input)).toMatchObject({ count: 1 });

    await limits.reset(input);
    // A day longer than the longest window: the clock of the machine that purges may be ahead.
    clock.advance(2 * 86_400);
    await confirmer.purge();
    expect(await dataSource.getRepository(LimitRecord).count()).toBe(0);
  });
});

@Controller('health')
class HealthController {
  @Get()
  health(): { ok: true } {
    return { ok: true };
  }
}

// Side by side, because each of them waits for its deadline.
describe.concurrent.each(servers)('Reliability, with %s behind HTTP:', (engine) => {
  describe.each(httpDoors)('on $name', ({ open }) => {
    let door: Entrance;
    afterEach(() => door.close());

    it.sequential(
      '82 answers 503 while another client locks the row, and serves all other callers and its health route',
      async () => {
        door = await open({
          engine,
          controllers: [HealthController],
          dataSource: { poolSize: 5 },
          // Others have to be served before it passes, on a machine that may be busy.
          options: { controller: true, databaseTimeoutMs: 5_000 },
        });
        const { http, test } = door;
        const locked = await door.made();
        const runner = test.dataSource.createQueryRunner();
        await runner.startTransaction();
        await runner.query(
          `UPDATE two_factor_confirmation SET sends = sends WHERE id = '${locked.id}'`,
        );

        const waiting = Promise.all(
          Array.from({ length: 20 }, () => door.confirm(locked.id, WRONG_CODE)),
        );
        const others = await Promise.all(
          // One address may cause ten messages an hour.
          Array.from({ length: 9 }, async (_, at) => {
            const { id, code } = await door.made({ token: `other-${at}@example.com` });
            return [
              await door.confirm(id, WRONG_CODE),
              (await http!.call('/health', {})).status,
              code,
            ];
          }),
        );
        const outcomes = await waiting;
        await runner.rollbackTransaction();
        await runner.release();

        expect(new Set(outcomes)).toStrictEqual(new Set(['temporarily-unavailable']));
        for (const [outcome, health] of others)
          expect([outcome, health]).toStrictEqual(['code-mismatch, 4 left', 200]);
        const { attempts } = await door.row(locked.id);
        // A call that was given up while it waited for the row may still be charged, once: MariaDB does not notice that its
        // client is gone. The calls wait in turn, so that on a slow machine a second one may have reached the server.
        expect(attempts).toBeLessThanOrEqual(2);
        expect(await door.confirm(locked.id, locked.code)).toBe('done');
      },
    );

    it.sequential(
      '83 answers 503 while the pool is exhausted, and replaces a connection on which nothing may be written',
      async () => {
        door = await open({
          engine,
          dataSource: { poolSize: 1 },
          options: { databaseTimeoutMs: 5_000 },
        });
        const { dataSource } = door.test;
        const { id, code } = await door.made();
        const runner = dataSource.createQueryRunner();
        await runner.connect();

        expect(await door.confirm(id, code)).toBe('temporarily-unavailable');
        // The only connection: what is set here holds for the calls after it.
        await runner.query(
          engine === 'postgres'
            ? 'SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY'
            : 'SET SESSION TRANSACTION READ ONLY',
        );
        await runner.release();
        expect(await door.row(id)).toMatchObject({ attempts: 0, confirmedAt: null });
        // Such a connection is closed, because the next one may lead to a server that accepts writes, and the call goes on.
        expect(await door.confirm(id, code)).toBe('done');
        expect(await door.row(id)).toMatchObject({ attempts: 1 });
        expect(await door.request({ token: 'ann@example.com' })).toBe('done');
      },
    );
  });
});

describe.each(servers.filter((engine) => engine === 'postgres'))(
  'Reliability, with %s behind HTTP:',
  (engine) => {
    describe.each(httpDoors)('on $name', ({ open }) => {
      it('83 answers 503 while the database takes no connections, and recovers without a restart', async () => {
        const door = await open({ engine, options: { databaseTimeoutMs: 5_000 } });
        const { id, code } = await door.made();
        const { database } = door.test.dataSource.driver;
        const admin = new Client(found.postgres);
        await admin.connect();
        await admin.query(`ALTER DATABASE "${database}" ALLOW_CONNECTIONS false`);
        await admin.query(
          'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1',
          [database],
        );

        for (const each of [code, WRONG_CODE, code])
          expect(await door.confirm(id, each)).toBe('temporarily-unavailable');
        expect(await door.check(id)).toBe('temporarily-unavailable');

        await admin.query(`ALTER DATABASE "${database}" ALLOW_CONNECTIONS true`);
        await admin.end();
        expect(await door.row(id)).toMatchObject({ attempts: 0, confirmedAt: null });
        expect(await door.confirm(id, code)).toBe('done');
        await door.close();
      });
    });
  },
);
