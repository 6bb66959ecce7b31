// A database that answers late: which error the caller gets in time, what is done later, and whether the pool works then.

import type { QueryRunner } from 'typeorm';
import { afterEach, describe, expect, it } from 'vitest';

import { TwoFactorUnavailableError } from '../../../lib/index.js';
import { engines, servers, type EngineName } from '../../support/engines.js';
import { startHttpApp } from '../../support/http.js';
import { startApp, type TestApp, type TestAppInput } from '../../support/test-app.js';
import {
  expectNoStrayRejections,
  outcomeOf,
  quietly,
  startBehindProxy,
  STATEMENTS,
  tally,
  type BehindProxy,
} from './behind-proxy.js';

const UNAVAILABLE = 'TwoFactorUnavailableError';
const KEY = 'key-of-one-request';
/** Nothing that is held is released before the caller has been told: only the deadline can have ended the call. */
const LATE = 3_000;
/** Where others have to be served before it, on a machine that may be busy. */
const LATER = 6_000;

expectNoStrayRejections();

interface Opening {
  readonly startBehind: (input?: { timeoutMs?: number; poolSize?: number }) => Promise<BehindProxy>;
  readonly start: (input: TestAppInput) => Promise<TestApp>;
  /** A session of another program locks rows and does not release them. */
  readonly lockRows: (
    owner: Pick<BehindProxy['direct'], 'dataSource'>,
    ...ids: readonly string[]
  ) => Promise<{ release: () => Promise<void> }>;
  /** What is done after the test. */
  readonly ends: (() => Promise<void>)[];
}

/** Opens what the tests of one suite need, and closes it after each of them: suites run side by side, because all wait for deadlines. */
function opening(engine: EngineName): Opening {
  const ends: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).toReversed()) await end();
  });
  return {
    ends,
    startBehind: async ({ timeoutMs = LATE, poolSize = 2 } = {}) => {
      const behind = await startBehindProxy(engine, {
        options: { databaseTimeoutMs: timeoutMs },
        dataSource: { poolSize },
      });
      ends.push(behind.close);
      return behind;
    },
    start: async (input) => {
      const test = await startApp({ engine, ...input });
      ends.push(() => test.close());
      return test;
    },
    lockRows: async ({ dataSource }, ...ids) => {
      const runner: QueryRunner = dataSource.createQueryRunner();
      await runner.startTransaction();
      for (const id of ids) {
        await runner.query(`SELECT id FROM two_factor_confirmation WHERE id = '${id}' FOR UPDATE`);
      }
      const release = async (): Promise<void> => {
        if (runner.isReleased) return;
        await runner.rollbackTransaction();
        await runner.release();
      };
      ends.push(release);
      return { release };
    },
  };
}

describe.concurrent.each(servers)('Late answers on %s', (engine) => {
  const { startBehind } = opening(engine);

  it.sequential(
    'are errors when they come after databaseTimeoutMs, and a repeat with the key reports the effect that stayed (case 82)',
    async () => {
      const { test, proxy, row } = await startBehind({ poolSize: 1 });
      const { id } = await test.confirmer.makeConfirmation({ isConfirmed: true });
      const trap = proxy.trap(STATEMENTS.use, 'hold-answer');

      const call = outcomeOf(test.confirmer.use(id, { idempotencyKey: KEY }));
      await trap.reached;
      expect((await row(id)).usedAt).not.toBeNull();
      expect(await call).toBe(UNAVAILABLE);

      // The only connection of the pool comes back with its answer.
      trap.release();
      expect(await test.confirmer.use(id)).toBe(false);
      expect(await test.confirmer.use(id, { idempotencyKey: KEY })).toBe(true);
    },
  );

  it.sequential(
    'let a sent statement take effect at most once when its caller has already timed out (case 82)',
    async () => {
      const { test, proxy, row } = await startBehind({ poolSize: 1 });
      const { id } = await test.confirmer.makeConfirmation({ isConfirmed: true });
      const trap = proxy.trap(STATEMENTS.use, 'hold-request');

      expect(await outcomeOf(test.confirmer.use(id, { idempotencyKey: KEY }))).toBe(UNAVAILABLE);
      expect(trap.caught).toBe(1);
      expect((await row(id)).usedAt).toBeNull();

      trap.release();
      const other = await test.confirmer.use(id, { idempotencyKey: `${KEY}-of-another` });
      const same = await test.confirmer.use(id, { idempotencyKey: KEY });
      expect(Number(other) + Number(same)).toBe(1);
    },
  );

  it.sequential(
    'keep a call from being sent when its deadline passes while it waits for the pool (case 83)',
    async () => {
      const { test, proxy, row } = await startBehind({ poolSize: 1 });
      const { confirmer } = test;
      const { id } = await confirmer.makeConfirmation({ isConfirmed: true });
      const guessed = await confirmer.makeConfirmation();
      const runner = test.dataSource.createQueryRunner();
      await runner.connect();

      const outcomes = await Promise.all([
        outcomeOf(confirmer.use(id)),
        outcomeOf(confirmer.cancel(id)),
        outcomeOf(confirmer.confirm(guessed, 'WRONGCODE')),
        outcomeOf(confirmer.makeConfirmation()),
        outcomeOf(test.sender.send(null, 'ann@example.com', guessed)),
      ]);
      proxy.passed.length = 0;
      await runner.release();
      // The pool serves in order: whatever was still waiting has had its turn before this one.
      expect((await confirmer.check(id))[1]).toBe(true);

      expect(tally(outcomes)).toEqual({ [UNAVAILABLE]: 5 });
      expect(proxy.passed.filter((sql) => !STATEMENTS.find.test(sql))).toEqual([]);
      expect((await row(guessed.id)).attempts).toBe(0);
      expect(test.inbox.deliveries).toEqual([]);
      expect(await confirmer.use(id)).toBe(true);
    },
  );

  it.sequential(
    'leave the attempt spent when its answer is late, and the right code still confirms (case 79)',
    async () => {
      const { test, proxy } = await startBehind();
      const state = await test.confirmer.makeConfirmation();
      const trap = proxy.trap(STATEMENTS.confirm, 'hold-answer');

      expect(await outcomeOf(test.confirmer.confirm(state, 'WRONGCODE'))).toBe(UNAVAILABLE);
      trap.release();

      expect(await test.confirmer.confirm(state, state.code!)).toMatchObject([
        { attemptsLeft: 3 },
        true,
      ]);
    },
  );
});

describe.concurrent.each(servers)('A lock owner that hangs on %s', (engine) => {
  const { ends, lockRows, startBehind } = opening(engine);

  it.sequential(
    'fails its callers within databaseTimeoutMs when they wait for it, serves all other callers, and charges the issued statements (case 82)',
    async () => {
      const { test, direct, row } = await startBehind({ poolSize: 3, timeoutMs: LATER });
      const { confirmer } = test;
      const locked = await confirmer.makeConfirmation();
      const { release } = await lockRows(direct, locked.id);

      const waiting = Array.from({ length: 20 }, () =>
        outcomeOf(confirmer.confirm(locked, 'WRONGCODE')),
      );
      const others = await Promise.all(
        Array.from({ length: 20 }, () => confirmer.makeConfirmation({ isConfirmed: true })),
      );
      expect(
        tally(await Promise.all(others.map((other) => outcomeOf(confirmer.use(other))))),
      ).toEqual({ true: 20 });
      expect(tally(await Promise.all(waiting))).toEqual({ [UNAVAILABLE]: 20 });
      expect((await row(locked.id)).attempts).toBe(0);

      await release();
      // At most the one call that had reached the server is charged; the nineteen behind it never left.
      const [state, confirmed] = await confirmer.confirm(locked, locked.code!);
      expect(confirmed).toBe(true);
      expect(state?.attemptsLeft).toBeGreaterThanOrEqual(3);
    },
  );

  it.sequential(
    'causes 503 with Retry-After when a request waits for it, and 200 for all other callers (case 82)',
    async () => {
      const http = await startHttpApp({
        ...quietly,
        engine,
        dataSource: { poolSize: 3 },
        options: { databaseTimeoutMs: LATER, controller: true },
      });
      ends.push(() => http.close());
      const locked = await http.request();
      const other = await http.request();
      const { release } = await lockRows(http, locked.id);

      const refusals = await Promise.all(
        Array.from({ length: 10 }, () => http.post('/2factor/confirm', locked)),
      );
      for (const refusal of refusals) {
        expect(refusal).toBeProblem(503, 'temporarily-unavailable', { retryAfter: 1 });
      }
      expect((await http.post('/2factor/confirm', other)).status).toBe(200);

      await release();
      // Confirmed by this call, or by the first of those, which had reached the server: once in any case.
      const { status } = await http.post('/2factor/confirm', locked);
      expect([200, 409]).toContain(status);
      expect((await http.row(locked.id)).confirmedAt).not.toBeNull();
      expect((await http.row(locked.id)).attempts).toBe(1);
    },
  );

  it.sequential(
    'leaves a transaction its own time limit when that waits for the lock, and the caller gets an error (case 82)',
    async () => {
      const { test, direct } = await startBehind();
      const { id } = await test.confirmer.makeConfirmation({ isConfirmed: true });
      const { release } = await lockRows(direct, id);
      const limit =
        engine === 'postgres'
          ? "SET LOCAL lock_timeout = '50ms'"
          : 'SET innodb_lock_wait_timeout = 1';

      const outcome = await outcomeOf(
        test.dataSource.transaction(async (manager) => {
          await manager.query(limit);
          return test.confirmer.use(id, { manager });
        }),
      );

      expect(outcome).toBe(engine === 'postgres' ? UNAVAILABLE : 'TwoFactorConflictError');
      await release();
      expect(await test.confirmer.use(id)).toBe(true);
    },
  );
});

describe.concurrent.each(servers)('A pool of one on %s', (engine) => {
  const { start } = opening(engine);

  it.sequential(
    'fails confirm and use within databaseTimeoutMs when the caller’s transaction has the connection, which goes on (case 83)',
    async () => {
      const test = await start({
        dataSource: { poolSize: 1 },
        options: { databaseTimeoutMs: LATE },
      });
      const { confirmer, dataSource } = test;
      const state = await confirmer.makeConfirmation();
      const proof = await confirmer.makeConfirmation({ isConfirmed: true });

      const used = await dataSource.transaction(async (manager) => {
        const waiting = [confirmer.confirm(state, state.code!), confirmer.use(proof)].map(
          outcomeOf,
        );
        expect(await Promise.all(waiting)).toEqual([UNAVAILABLE, UNAVAILABLE]);
        return confirmer.use(proof, { manager });
      });

      expect(used).toBe(true);
      expect(await confirmer.use(proof)).toBe(false);
      expect(await confirmer.confirm(state, state.code!)).toMatchObject([
        { attemptsLeft: 4 },
        true,
      ]);
    },
  );

  it.sequential(
    'completes all confirmations when 60 of them live in parallel (case 83)',
    async () => {
      const { confirmer } = await start({
        dataSource: { poolSize: 1 },
        options: { databaseTimeoutMs: 60_000 },
      });
      const life = async (): Promise<string> => {
        const state = await confirmer.makeConfirmation();
        const wrong = await outcomeOf(
          confirmer.confirm(state, 'WRONGCODE').then(([, done]) => done),
        );
        const right = await outcomeOf(
          confirmer.confirm(state, state.code!).then(([, done]) => done),
        );
        const uses = await Promise.all([1, 2, 3].map(() => outcomeOf(confirmer.use(state))));
        return [wrong, right, ...uses.toSorted()].join(' ');
      };

      const lives = await Promise.all(Array.from({ length: 60 }, life));

      expect(tally(lives)).toEqual({ 'false true false false true': 60 });
    },
  );
});

const files = engines.filter((engine) => engine === 'better-sqlite3');
describe.concurrent.each(files)('A connection of one on %s', (engine) => {
  const { start } = opening(engine);

  it.sequential(
    'fails confirm in time when the caller’s transaction has the connection, which goes on (case 83)',
    async () => {
      const { confirmer, dataSource } = await start({ options: { databaseTimeoutMs: LATE } });
      const state = await confirmer.makeConfirmation();

      await dataSource.transaction(async () => {
        await expect(confirmer.confirm(state, state.code!)).rejects.toBeInstanceOf(
          TwoFactorUnavailableError,
        );
      });

      expect(await confirmer.confirm(state, state.code!)).toMatchObject([
        { attemptsLeft: 4 },
        true,
      ]);
    },
  );
});
