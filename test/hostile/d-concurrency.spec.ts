// Threat: the same thing asked for by many at once (security.md, section 2 D). What test/engines proves already is not
// repeated here: see README.md. These meet in the database: each of the applications has a store of its own.
import { afterEach, describe, expect, it } from 'vitest';

import {
  ConfirmationRecord,
  LimitService,
  TwoFactorEvents,
  type ConfirmationState,
} from '../../lib/index.js';
import { WRONG_CODE } from '../support/canaries.js';
import { installAttemptTrigger, loggedAttempts } from '../support/attempt-trigger.js';
import { engines, servers, type EngineName } from '../support/engines.js';
import { NaiveConfirmer } from '../support/naive-confirmer.js';
import { startNoiseWriter } from '../support/noise-writer.js';
import { SECRET, startApp, type TestApp, type TestAppInput } from '../support/test-app.js';

const NEW_SECRET = `${SECRET}-new`;

let apps: TestApp[] = [];
afterEach(async () => {
  for (const app of apps.toReversed()) await app.close();
  apps = [];
});

/** How many applications share one database. A database in memory can have only one. */
async function start(
  engine: EngineName,
  count: number,
  options: TestAppInput['options'] = {},
  dataSource: TestAppInput['dataSource'] = { poolSize: 5 },
): Promise<TestApp> {
  const all = { databaseTimeoutMs: 60_000, ...options };
  const first = await startApp({ engine, options: all, dataSource });
  apps = [first];
  while (apps.length < (engine === 'sqljs' ? 1 : count))
    apps.push(await startApp({ engine, database: first.database, options: all, dataSource }));
  return first;
}

/** Makes concurrent calls, spread over the applications. @returns how many of them answered true. */
async function winners(
  count: number,
  call: (app: TestApp, at: number) => Promise<boolean>,
): Promise<number> {
  const answers = await Promise.all(
    Array.from({ length: count }, (_, at) => call(apps[at % apps.length]!, at)),
  );
  return answers.filter(Boolean).length;
}

const records = ({ dataSource }: TestApp) => dataSource.getRepository(ConfirmationRecord);

const isDone = (work: Promise<unknown>): Promise<boolean> =>
  work.then(
    () => true,
    () => false,
  );

describe.each(servers)('Concurrency on %s:', (engine) => {
  const killed = async (victim: TestApp, by: TestApp, finish: 'before' | 'after') => {
    const state = await victim.confirmer.makeConfirmation({ isConfirmed: true });
    const runner = victim.dataSource.createQueryRunner();
    await runner.startTransaction();
    const [{ connection }] = (await runner.query(
      engine === 'postgres'
        ? 'SELECT pg_backend_pid() AS connection'
        : 'SELECT connection_id() AS connection',
    )) as [{ connection: number }];
    expect(await victim.confirmer.use(state, { manager: runner.manager })).toBe(true);
    if (finish === 'after') await runner.commitTransaction();
    // It waits for the row, if it comes before the connection dies.
    const waiting = by.confirmer.use(state);
    await by.dataSource.query(
      engine === 'postgres'
        ? `SELECT pg_terminate_backend(${connection})`
        : `KILL CONNECTION ${connection}`,
    );
    const used = await waiting;
    if (finish === 'before') await runner.commitTransaction().catch(() => undefined);
    await runner.release().catch(() => undefined);
    return { used, again: await by.confirmer.use(state) };
  };

  it('41 lets the next caller use what a killed connection had not committed, and only that', async () => {
    const victim = await start(engine, 2);
    const by = apps[1]!;

    expect(await killed(victim, by, 'before')).toStrictEqual({ used: true, again: false });
    expect(await killed(victim, by, 'after')).toStrictEqual({ used: false, again: false });
  });

  it('41 lets two callers use one proof in the naive twin', async () => {
    const victim = await start(engine, 2);
    const state = await victim.confirmer.makeConfirmation({ isConfirmed: true });
    const runner = victim.dataSource.createQueryRunner();
    await runner.startTransaction();
    const first = new NaiveConfirmer(runner.manager.getRepository(ConfirmationRecord));
    const repository = records(apps[1]!);
    let tellRead = (): void => undefined;
    const hasRead = new Promise<void>((resolve) => (tellRead = resolve));
    const second = new NaiveConfirmer(
      Object.assign(Object.create(repository) as typeof repository, {
        findOneByOrFail: async (where: { id: string }) => {
          const record = await repository.findOneByOrFail(where);
          tellRead();
          return record;
        },
      }),
    );

    const used = await first.use(state.id);
    const waiting = second.use(state.id);
    await hasRead;
    await runner.commitTransaction();
    await runner.release();

    expect([used, await waiting]).toStrictEqual([true, true]);
  });
});

describe.each(engines)('Concurrency on %s:', (engine) => {
  it('42 emits one event for 100 parallel right codes, and one for 100 parallel uses', async () => {
    const first = await start(engine, 4, { limits: {} });
    const told: string[] = [];
    for (const { app } of apps)
      app.get(TwoFactorEvents, { strict: false }).subscribe(({ type }) => told.push(type));
    const state = await first.confirmer.makeConfirmation({ token: 'ann@example.com' });
    const code = state.code!;

    const confirmed = await winners(
      100,
      async ({ confirmer }) => (await confirmer.confirm(state.id, code))[1],
    );
    const used = await winners(100, ({ confirmer }) => confirmer.use(state.id));

    expect({ confirmed, used }).toStrictEqual({ confirmed: 1, used: 1 });
    expect(told.filter((type) => type === 'confirmed')).toHaveLength(1);
    expect(told.filter((type) => type === 'used')).toHaveLength(1);
    // A right code that came too late is no wrong one.
    expect(told).not.toContain('attempt-failed');
    expect(told).not.toContain('locked');
    const failures = await first.app
      .get(LimitService, { strict: false })
      .failures({ token: 'ann@example.com' });
    expect(failures).toStrictEqual({ count: 0, lockedUntil: null, isPermanentlyLocked: false });
  });

  it('48 sends one message for 12 parallel resends, counts it once, and leaves its code alone valid', async () => {
    const first = await start(engine, 4, { resend: 'rotate' });
    const { id } = await first.twoFactor.request({ token: 'ann@example.com' });
    const codes = [first.inbox.lastCode];
    for (const app of apps) app.clock.advance(31);
    const sent = () => apps.flatMap(({ inbox }) => inbox.deliveries);
    const before = sent().length;

    expect(await winners(12, (app) => isDone(app.twoFactor.resend(id)))).toBe(1);

    expect(sent()).toHaveLength(before + 1);
    codes.push(sent().find(({ code }) => code !== codes[0])!.code);
    expect(await records(first).findOneByOrFail({ id })).toMatchObject({ sends: 2 });
    expect((await first.confirmer.confirm(id, codes[0]!))[1]).toBe(false);
    expect((await first.confirmer.confirm(id, codes[1]!))[1]).toBe(true);
  });

  it('48 sends many messages in the naive twin', async () => {
    const first = await start(engine, 1);
    const { id } = await first.twoFactor.request({ token: 'ann@example.com' });
    first.clock.advance(31);

    // All have read before anybody writes, as it happens.
    const read = await Promise.all(
      Array.from({ length: 12 }, () => records(first).findOneByOrFail({ id })),
    );
    const free = read.filter(({ lastSentAt }) => lastSentAt! + 30_000 <= first.clock.now());
    for (const record of free) {
      record.sends += 1;
      record.lastSentAt = first.clock.now();
      await records(first).save(record);
    }

    expect(free).toHaveLength(12);
    expect((await records(first).findOneByOrFail({ id })).sends).toBe(2);
  });

  /** Proofs that live on while the codes they came from are dead: what a purge must tell apart. */
  async function proofsOfDeadCodes(test: TestApp, count: number): Promise<ConfirmationState[]> {
    const states = await Promise.all(
      Array.from({ length: count }, () => test.confirmer.makeConfirmation()),
    );
    for (const app of apps) app.clock.advance(599);
    for (const state of states) await test.confirmer.confirm(state.id, state.code!);
    for (const app of apps) app.clock.advance(2);
    return states;
  }

  it('49 purges beside confirm and use: live confirmations all succeed, dead ones are gone, and no call fails', async () => {
    const first = await start(engine, 3);
    const dead = await Promise.all(
      Array.from({ length: 60 }, () => first.confirmer.makeConfirmation()),
    );
    const proofs = await proofsOfDeadCodes(first, 40);
    const live = await Promise.all(
      Array.from({ length: 40 }, () => first.confirmer.makeConfirmation()),
    );
    const olderThan = new Date(first.clock.now());

    const [purged, used, confirmed, late] = await Promise.all([
      Promise.all(apps.map(({ confirmer }) => confirmer.purge({ olderThan, batchSize: 7 }))),
      winners(40, ({ confirmer }, at) => confirmer.use(proofs[at]!)),
      winners(40, async ({ confirmer }, at) => {
        const state = live[at]!;
        return (await confirmer.confirm(state.id, state.code!))[1];
      }),
      winners(60, async ({ confirmer }, at) => {
        const state = dead[at]!;
        return (await confirmer.confirm(state.id, state.code!))[1];
      }),
    ]);

    expect(purged.reduce((sum, count) => sum + count, 0)).toBe(60);
    expect({ used, confirmed, late }).toStrictEqual({ used: 40, confirmed: 40, late: 0 });
    expect(await records(first).count()).toBe(80);
    expect(await winners(40, ({ confirmer }, at) => confirmer.use(live[at]!))).toBe(40);
  });

  it('49 loses proofs to the naive twin of the purge, which looks at the codes alone', async () => {
    const first = await start(engine, 3);
    const proofs = await proofsOfDeadCodes(first, 40);

    const purge = (): Promise<unknown> =>
      first.dataSource.query(
        `DELETE FROM two_factor_confirmation WHERE expires_at < ${first.clock.now()}`,
      );
    const early = await winners(20, ({ confirmer }, at) => confirmer.use(proofs[at]!));
    await purge();
    const late = await winners(20, ({ confirmer }, at) => confirmer.use(proofs[20 + at]!));

    expect([early, late]).toStrictEqual([20, 0]);
  });
});

// In memory there is no second application.
describe.each(engines.filter((engine) => engine !== 'sqljs'))('Concurrency on %s:', (engine) => {
  it('51 confirms old and new confirmations on old and new instances while the secret is rotated', async () => {
    const old = await start(engine, 1);
    const options = { databaseTimeoutMs: 60_000, secret: undefined, secrets: [SECRET, NEW_SECRET] };
    const { database } = old;
    // First every instance learns to verify by the new one, then it signs.
    const learnt = await startApp({ engine, database, options });
    const rotated = await startApp({
      engine,
      database,
      options: { ...options, secrets: [NEW_SECRET, SECRET] },
    });
    apps.push(learnt, rotated);
    const states = await Promise.all(
      Array.from({ length: 60 }, (_, at) =>
        [learnt, rotated][at % 2]!.confirmer.makeConfirmation({ details: { at } }),
      ),
    );
    const both = [rotated, learnt];
    const codes = states.map((state) => state.code!);

    // Each by both kinds of instance at once, right code against right code.
    const outcomes = await Promise.all(
      states.flatMap(({ id }, at) =>
        both.map(async ({ confirmer }) => (await confirmer.confirm(id, codes[at]!))[1]),
      ),
    );
    const uses = await Promise.all(
      states.flatMap(({ id }, at) =>
        both.map(({ confirmer }) => confirmer.use(id, { details: { at } })),
      ),
    );

    expect(outcomes.filter(Boolean)).toHaveLength(60);
    expect(uses.filter(Boolean)).toHaveLength(60);
    for (const app of both)
      expect((await app.confirmer.check(states[0]!.id))[0]?.isUsed).toBe(true);
  });

  it('51 confirms nothing of the others in the naive twin, which replaces the secret at once', async () => {
    const old = await start(engine, 1);
    const replaced = await startApp({
      engine,
      database: old.database,
      options: { secret: NEW_SECRET },
    });
    apps.push(replaced);
    const states = await Promise.all(
      Array.from({ length: 10 }, () => old.confirmer.makeConfirmation()),
    );

    const confirmed = await Promise.all(
      states.map((state) =>
        replaced.confirmer.confirm(state.id, state.code!).then(
          ([, done]) => done,
          () => false,
        ),
      ),
    );

    expect(confirmed.filter(Boolean)).toHaveLength(0);
  });
});

describe.each(engines.filter((engine) => engine === 'better-sqlite3'))(
  'Concurrency on %s:',
  (engine) => {
    it('53 keeps one use and five attempts while another process keeps writing to the file', async () => {
      const first = await start(engine, 4, {}, { enableWAL: true });
      await installAttemptTrigger(first.dataSource);
      const noise = await startNoiseWriter(String(first.dataSource.options.database));
      const proof = await first.confirmer.makeConfirmation({ isConfirmed: true });
      const guessed = await first.confirmer.makeConfirmation();

      const used = await winners(100, ({ confirmer }) => confirmer.use(proof));
      const confirmed = await winners(
        100,
        async ({ confirmer }) => (await confirmer.confirm(guessed.id, WRONG_CODE))[1],
      );
      const others = await winners(100, async ({ confirmer }) => {
        const state = await confirmer.makeConfirmation();
        return (await confirmer.confirm(state.id, state.code!))[1] && confirmer.use(state);
      });
      const naive = new NaiveConfirmer(records(first));
      const twin = await first.confirmer.makeConfirmation({ isConfirmed: true });
      const naivelyUsed = await winners(100, () => naive.use(twin.id));
      const noiseWrites = await noise.stop();

      // No call failed because the file was busy: each call had its answer.
      expect({ used, confirmed, others }).toStrictEqual({ used: 1, confirmed: 0, others: 100 });
      expect(await loggedAttempts(first.dataSource, guessed.id)).toBe(5);
      expect(noiseWrites).toBeGreaterThan(1);
      expect(naivelyUsed).toBeGreaterThan(1);
    });
  },
);
