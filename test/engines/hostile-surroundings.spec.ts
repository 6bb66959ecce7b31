// What an application, a driver or a server around us can do wrong, and what must hold all the same.
import { setTimeout as sleep } from 'node:timers/promises';

import type { DataSource, EntitySubscriberInterface } from 'typeorm';
import { afterEach, describe, expect, it } from 'vitest';

import { assertServerSettings } from '../../lib/database/index.js';
import {
  ConfirmationRecord,
  TwoFactorConfigurationError,
  TwoFactorUnavailableError,
} from '../../lib/index.js';
import { enrolApp, factorsOf, METHODS } from '../support/authenticator.js';
import { askElsewhere, confirmedOnes, leaveTransactionsOpen } from '../support/batch-contract.js';
import { engines, servers, type EngineName } from '../support/engines.js';
import { interceptStatements } from '../support/intercept-statements.js';
import { SECRET, startApp, type TestApp, type TestAppInput } from '../support/test-app.js';
import { waitForLock } from '../support/wait-for-lock.js';

let test: TestApp;
afterEach(() => test.close());

const start = async (engine: EngineName, input: TestAppInput = {}): Promise<TestApp> => {
  test = await startApp({ engine, ...input });
  return test;
};
const only = (...names: EngineName[]): EngineName[] =>
  engines.filter((engine) => names.includes(engine));

describe.each(servers)('On %s', (engine) => {
  it('loses neither use nor attempt when the pool has a connection with an open transaction', async () => {
    const { confirmer, dataSource } = await start(engine, { dataSource: { poolSize: 1 } });
    const proof = await confirmer.makeConfirmation({ isConfirmed: true });
    const guessed = await confirmer.makeConfirmation();
    const forget = async (): Promise<void> => {
      const runner = dataSource.createQueryRunner();
      await runner.startTransaction();
      await runner.query('SELECT 1');
      // Neither committed nor rolled back.
      await runner.release();
    };

    await forget();
    expect(await confirmer.use(proof)).toBe(true);
    await forget();
    const [after] = await confirmer.confirm(guessed.id, 'WRONGCODE');
    expect(after?.attemptsLeft).toBe(4);
    await dataSource.query('ROLLBACK');

    expect(await confirmer.use(proof)).toBe(false);
    expect((await confirmer.check(guessed.id))[0]?.attemptsLeft).toBe(4);
  });

  it('rolls back what a handler wrote into a transaction that it left open, before a batch or a change of factors begins its own', async () => {
    const poolSize = 5;
    const app = await start(engine, {
      dataSource: { poolSize },
      options: { methods: METHODS, batching: true, env: false },
    });
    const { confirmer, dataSource } = app;
    const factors = factorsOf(app);
    await dataSource.query('CREATE TABLE effect (id int)');
    const proofs = await confirmedOnes(app, 12);
    await enrolApp(app, 'ann');

    await leaveTransactionsOpen(dataSource, poolSize, 'INSERT INTO effect VALUES (1)');
    const [codes, ...uses] = await Promise.all([
      factors.regenerateRecoveryCodes({ subject: 'ann' }),
      ...proofs.map((proof) => confirmer.use(proof)),
    ]);
    const effects = await askElsewhere(app, (other) => other.query('SELECT id FROM effect'));

    expect(uses).toEqual(proofs.map(() => true));
    expect(codes).toHaveLength(10);
    expect(effects).toEqual([]);
  });

  it('a rollback that fails does not hide the error for which it was sent, and its connection is closed', async () => {
    const app = await start(engine, {
      dataSource: { poolSize: 1 },
      options: { methods: METHODS },
    });
    const { dataSource } = app;
    await dataSource.query(
      engine === 'postgres'
        ? 'ALTER TABLE two_factor_factor ADD CONSTRAINT none CHECK (false) NOT VALID'
        : "CREATE TRIGGER none BEFORE INSERT ON two_factor_factor FOR EACH ROW SIGNAL SQLSTATE '45000'",
    );
    const idOfConnection = async (): Promise<unknown> =>
      dataSource.query(
        engine === 'postgres' ? 'SELECT pg_backend_pid() AS id' : 'SELECT CONNECTION_ID() AS id',
      );
    const before = await idOfConnection();
    let hasBegun = false;
    interceptStatements(dataSource, async (sql, run) => {
      hasBegun ||= sql === 'BEGIN';
      if (sql !== 'ROLLBACK' || !hasBegun) return run();
      throw Object.assign(new Error('The network is down.'), { code: 'ECONNRESET' });
    });

    await expect(factorsOf(app).enrol({ subject: 'ann', method: 'totp' })).rejects.toThrow(
      /A column, a constraint or a trigger refuses a row/,
    );

    expect(hasBegun).toBe(true);
    expect(await idOfConnection()).not.toEqual(before);
  });

  it('a locked row holds one connection, not the pool', async () => {
    const app = await start(engine, {
      dataSource: { poolSize: 5 },
      options: { databaseTimeoutMs: 5_000 },
    });
    const { confirmer, dataSource } = app;
    const locked = await confirmer.makeConfirmation({ isConfirmed: true });
    const guesses = await dataSource.transaction(async (manager) => {
      expect(await confirmer.use(locked, { manager })).toBe(true);
      const waiting = Array.from({ length: 20 }, () => confirmer.cancel(locked));
      await waitForLock(app);
      // Everybody else is served meanwhile.
      const others = await Promise.all(
        Array.from({ length: 10 }, () => confirmer.makeConfirmation()),
      );
      expect(others).toHaveLength(10);
      return Promise.allSettled(waiting);
    });

    for (const guess of guesses) {
      expect(guess).toMatchObject({ reason: expect.any(TwoFactorUnavailableError) as unknown });
    }
    expect((await confirmer.check(locked.id))[0]?.status).toBe('used');
  });

  it('a code whose time is over while the call waits for the pool is not confirmed', async () => {
    const { confirmer, clock, dataSource } = await start(engine, { dataSource: { poolSize: 1 } });
    const state = await confirmer.makeConfirmation();
    const code = state.code!;
    const runner = dataSource.createQueryRunner();
    await runner.connect();

    const waiting = confirmer.confirm(state.id, code);
    await sleep(20);
    clock.advance(601);
    await runner.release();

    expect(await waiting).toMatchObject([{ status: 'expired', attemptsLeft: 5 }, false]);
  });
});

describe.each(engines)('On %s', (engine) => {
  it('a slow subscriber that expects queries to be strings changes nothing', async () => {
    const seen: boolean[] = [];
    const { confirmer, dataSource } = await start(engine);
    const subscriber: EntitySubscriberInterface = {
      async beforeQuery({ query }) {
        seen.push(query.startsWith('UPDATE'));
        await sleep(1);
      },
      afterQuery({ query }) {
        seen.push(query.startsWith('UPDATE'));
      },
    };
    dataSource.subscribers.push(subscriber);
    const state = await confirmer.makeConfirmation();

    expect((await confirmer.confirm(state.id, state.code!))[1]).toBe(true);
    expect(await confirmer.use(state)).toBe(true);
    expect(seen).toContain(true);
  });

  it('a state that outlived its row sends nothing for the one that took its place', async () => {
    const { confirmer, sender, inbox, clock } = await start(engine);
    const input = { idempotencyKey: 'a-request-key-0001', subject: 'ann' };
    const stale = await confirmer.makeConfirmation(input);
    await confirmer.erase({ subject: 'ann' });
    clock.advance(1);
    const fresh = await confirmer.makeConfirmation({ ...input, token: 'new@example.com' });
    expect(fresh.id).toBe(stale.id);

    await expect(sender.send(null, 'old@example.com', stale)).rejects.toThrow(/another token/);
    expect(inbox.deliveries).toHaveLength(0);
  });

  it('distinguishes JSON null from absent details, also when a request is repeated by its key', async () => {
    const { confirmer } = await start(engine);
    const input = { details: null, idempotencyKey: 'a-request-key-0001' };
    const state = await confirmer.makeConfirmation(input);
    await state.confirm();

    expect((await confirmer.makeConfirmation(input)).id).toBe(state.id);
    expect(await confirmer.use(state)).toBe(false);
    expect(await confirmer.use(state, { details: null })).toBe(true);
  });
});

// An in-memory database cannot be opened by a second application.
describe.each(only('postgres', 'mariadb', 'mysql', 'better-sqlite3'))('On %s', (engine) => {
  it('a request key stands for the same confirmation after the secret was rotated', async () => {
    const key = 'a-request-key-0001';
    const { database, twoFactor } = await start(engine);
    const { id } = await twoFactor.request({
      token: 'ann@example.com',
      idempotencyKey: key,
      meta: { a: 1 },
    });
    const rotated = await startApp({
      engine,
      database,
      options: { secret: undefined, secrets: [`${SECRET}-new`, SECRET] },
    });

    const again = await rotated.twoFactor.request({
      token: 'ann@example.com',
      idempotencyKey: key,
      meta: { a: 1 },
    });

    expect(again.id).toBe(id);
    expect(rotated.inbox.deliveries).toHaveLength(0);
    await expect(
      rotated.twoFactor.request({ token: 'ann@example.com', idempotencyKey: key, meta: { a: 2 } }),
    ).rejects.toThrow(/another request/);
    await rotated.close();
  });
});

describe.each(only('better-sqlite3', 'sqljs'))('On %s', (engine) => {
  it('throws, and never answers true for a use that is rolled back, when a transaction begins during the call', async () => {
    const { confirmer, dataSource } = await start(engine);
    const proofs = await Promise.all(
      Array.from({ length: 20 }, () => confirmer.makeConfirmation({ isConfirmed: true })),
    );
    dataSource.subscribers.push({ beforeQuery: () => sleep(5) });
    const runner = dataSource.createQueryRunner();

    const uses = Promise.allSettled(proofs.map((proof) => confirmer.use(proof)));
    await runner.startTransaction();
    await sleep(20);
    await runner.rollbackTransaction();
    const answers = await uses;
    dataSource.subscribers.length = 0;

    for (const [index, answer] of answers.entries()) {
      if (answer.status === 'fulfilled' && answer.value) {
        expect(await confirmer.use(proofs[index]!)).toBe(false);
      }
    }
  });
});

describe.each(only('better-sqlite3'))('On %s', (engine) => {
  it('refuses a use after a BEGIN that the application sent without TypeORM, instead of losing the use by its ROLLBACK', async () => {
    const { confirmer, dataSource } = await start(engine);
    const proof = await confirmer.makeConfirmation({ isConfirmed: true });
    await dataSource.query('BEGIN');

    await expect(confirmer.use(proof)).rejects.toBeInstanceOf(TwoFactorUnavailableError);
    await dataSource.query('ROLLBACK');

    expect(await confirmer.use(proof)).toBe(true);
  });
});

describe.each(only('mariadb', 'mysql'))('On %s', (engine) => {
  it('refuses a connection with autocommit = 0, on which a use would be answered with true and then rolled back', async () => {
    const { confirmer, dataSource } = await start(engine, { dataSource: { poolSize: 1 } });
    const proof = await confirmer.makeConfirmation({ isConfirmed: true });
    await dataSource.query('SET autocommit = 0');

    await expect(confirmer.use(proof)).rejects.toBeInstanceOf(TwoFactorConfigurationError);
    await dataSource.query('SET autocommit = 1');

    expect(await confirmer.use(proof)).toBe(true);
  });

  it.each(['latin1', 'utf8mb3', 'utf16'])(
    'a table in %s tells subjects apart that differ in an accent, a capital or an emoji',
    async (charset) => {
      const { confirmer, dataSource } = await start(engine);
      await dataSource.query(
        `ALTER TABLE two_factor_confirmation CONVERT TO CHARACTER SET ${charset}`,
      );
      const binding = { purpose: 'pay', subject: 'Zoë', details: { amount: 1 } };
      const state = await confirmer.makeConfirmation(binding);
      await confirmer.makeConfirmation({ subject: 'Zoë' });

      expect((await confirmer.confirm(state.id, state.code!))[1]).toBe(true);
      expect(await confirmer.use(state, { ...binding, subject: 'Zoe' })).toBe(false);
      expect(await confirmer.use(state, binding)).toBe(true);
      expect(await confirmer.erase({ subject: 'zoë' })).toBe(0);
      expect(await confirmer.erase({ subject: 'Zoë' })).toBe(2);

      await confirmer.makeConfirmation({ subject: '😀', idempotencyKey: 'a-request-key-0001' });
      const records = dataSource.getRepository(ConfirmationRecord);
      expect(await records.find()).toMatchObject([{ subject: '😀' }]);
      expect(await records.countBy({ subject: '😀' })).toBe(1);
      expect(await confirmer.erase({ subject: '😁' })).toBe(0);
      expect(await confirmer.erase({ subject: '😀' })).toBe(1);
    },
  );

  it.each([
    [{ modes: 'STRICT_TRANS_TABLES,NO_BACKSLASH_ESCAPES', autocommit: 1 }, /NO_BACKSLASH_ESCAPES/],
    [{ modes: '', autocommit: '0' }, /autocommit = 0/],
  ])('the server setting %j stops the boot', async (settings, sentence) => {
    const { dataSource } = await start(engine);
    const answering = (rows: unknown[]) =>
      Object.assign(Object.create(dataSource) as DataSource, { query: async () => rows });

    await expect(assertServerSettings(answering([settings]))).rejects.toThrow(sentence);
    await expect(assertServerSettings(dataSource)).resolves.toBeUndefined();
  });
});
