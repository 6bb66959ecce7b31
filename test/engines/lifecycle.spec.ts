import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { ConfirmationRecord, TwoFactorInputError, TwoFactorStateError } from '../../lib/index.js';
import { engines, openDatabase, servers } from '../support/engines.js';
import { startApp, type TestApp } from '../support/test-app.js';

const DAY = 86_400;

describe.each(engines)('The life of a confirmation on %s', (engine) => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startApp({ engine });
  });
  afterAll(() => test.close());

  it('reads back the values that it was created with', async () => {
    const made = await test.confirmer.makeConfirmation({
      purpose: 'transfer',
      subject: 'ann-é-🙂',
      details: { payee: 'Bob', amount: 10, nested: { list: [1, null, 'x'] } },
      meta: { any: 'json' },
      token: 'ann@example.com',
      way: 'default',
      context: { locale: 'uk' },
    });

    const [found] = await test.confirmer.check(made.id);

    const shown = (state: typeof made | null) =>
      state && {
        ...state.toJSON(),
        subject: state.subject,
        details: state.details,
        meta: state.meta,
        token: state.token,
        hasSameCode: state.code === made.code,
        createdAt: state.createdAt,
      };
    expect(shown(found)).toEqual(shown(made));
    expect(found?.details).toEqual({ payee: 'Bob', amount: 10, nested: { list: [1, null, 'x'] } });
  });

  it('accepts the right code as the last attempt', async () => {
    const state = await test.confirmer.makeConfirmation();
    for (let tries = 0; tries < 4; tries += 1) {
      await test.confirmer.confirm(state.id, 'WRONGCODE');
    }

    expect((await test.confirmer.confirm(state.id, state.code!))[1]).toBe(true);
    expect(await test.confirmer.use(state)).toBe(true);
  });

  it('is expired at the end of its life, and charges nothing then', async () => {
    const state = await test.confirmer.makeConfirmation();
    const code = state.code!;
    test.clock.advance(600);

    const [after, confirmed] = await test.confirmer.confirm(state.id, code);

    expect(confirmed).toBe(false);
    expect(after).toMatchObject({ status: 'expired', attemptsLeft: 5 });
    expect(await state.confirm()).toBe(false);
    expect(await test.confirmer.use(state)).toBe(false);
  });

  it('can be used until useWithinSeconds have passed', async () => {
    const [inTime, tooLate] = await Promise.all([
      test.confirmer.makeConfirmation({ isConfirmed: true }),
      test.confirmer.makeConfirmation({ isConfirmed: true }),
    ]);

    test.clock.advance(299);
    expect(await test.confirmer.use(inTime)).toBe(true);
    test.clock.advance(1);
    expect(await test.confirmer.use(tooLate)).toBe(false);
    expect(await test.confirmer.check(tooLate.id)).toMatchObject([{ status: 'expired' }, false]);
  });

  it('confirms by hand also when all attempts are spent, once', async () => {
    const state = await test.confirmer.makeConfirmation();
    for (let tries = 0; tries < 5; tries += 1) {
      await test.confirmer.confirm(state.id, 'WRONGCODE');
    }

    expect(await state.confirm()).toBe(true);
    expect(state).toMatchObject({ status: 'confirmed', isConfirmed: true });
    expect(await state.confirm()).toBe(false);
    expect(await test.confirmer.use(state)).toBe(true);
  });

  it('ends when it is cancelled, confirmed or not, but not after it was used', async () => {
    const pending = await test.confirmer.makeConfirmation();
    const confirmed = await test.confirmer.makeConfirmation({ isConfirmed: true });
    const used = await test.confirmer.makeConfirmation({ isConfirmed: true });
    await test.confirmer.use(used);

    expect(await test.confirmer.cancel(pending)).toBe(true);
    expect(await test.confirmer.cancel(pending)).toBe(false);
    expect(await test.confirmer.cancel(confirmed.id)).toBe(true);
    expect(await test.confirmer.cancel(used)).toBe(false);
    expect((await test.confirmer.confirm(pending.id, pending.code!))[1]).toBe(false);
    expect(await test.confirmer.use(confirmed)).toBe(false);
    await expect(test.sender.send(null, 'ann@example.com', pending.id)).rejects.toBeInstanceOf(
      TwoFactorStateError,
    );
  });

  it('stays usable after a use with a wrong purpose, subject or details', async () => {
    const binding = { purpose: 'pay', subject: 'ann', details: { amount: 10, payee: 'bob' } };
    const state = await test.confirmer.makeConfirmation({ ...binding, isConfirmed: true });

    const wrong = [
      {},
      { purpose: 'pay' },
      { purpose: 'pay', subject: 'ann' },
      { ...binding, purpose: 'login' },
      { ...binding, subject: 'bob' },
      { ...binding, details: { amount: 10 } },
      { ...binding, details: { amount: 10.5, payee: 'bob' } },
      { ...binding, details: { amount: '10', payee: 'bob' } },
    ];
    for (const input of wrong) {
      expect(await test.confirmer.use(state, input)).toBe(false);
      expect((await test.confirmer.check(state.id, input))[1]).toBe(false);
    }

    const reordered = { ...binding, details: { payee: 'bob', amount: 10 } };
    expect(await test.confirmer.check(state.id, reordered)).toMatchObject([{}, true]);
    expect(await test.confirmer.use(state, reordered)).toBe(true);
  });

  it('answers that an unknown id does not exist, and refuses a malformed one', async () => {
    const { id } = await test.confirmer.makeConfirmation();
    const unknown = `${id.slice(0, 12)}${'0'.repeat(24)}`;

    expect(await test.confirmer.check(unknown)).toEqual([null, false]);
    expect(await test.confirmer.confirm(unknown, 'SOMECODE')).toEqual([null, false]);
    expect(await test.confirmer.use(unknown)).toBe(false);
    expect(await test.confirmer.cancel(unknown)).toBe(false);
    for (const bad of [0, true, [id], { id }, { $ne: null }, undefined, null, '', `${id}0`, {}]) {
      await expect(test.confirmer.check(bad as string)).rejects.toBeInstanceOf(TwoFactorInputError);
      await expect(test.confirmer.use(bad as string)).rejects.toBeInstanceOf(TwoFactorInputError);
    }
  });

  it('is erased with all others of its subject', async () => {
    const [one] = await Promise.all([
      test.confirmer.makeConfirmation({ subject: 'gone', isConfirmed: true }),
      test.confirmer.makeConfirmation({ subject: 'gone' }),
      test.confirmer.makeConfirmation({ subject: 'stays' }),
    ]);

    expect(await test.confirmer.erase({ subject: 'gone' })).toBe(2);
    expect(await test.confirmer.use(one, { subject: 'gone' })).toBe(false);
    await expect(test.confirmer.erase({ subject: '' })).rejects.toBeInstanceOf(TwoFactorInputError);
  });

  it('is purged a day after it can neither be confirmed nor used, and never before', async () => {
    await test.dataSource.getRepository(ConfirmationRecord).clear();
    const rows = () => test.dataSource.getRepository(ConfirmationRecord).count();
    await Promise.all([
      test.confirmer.makeConfirmation(),
      test.confirmer.makeConfirmation({ isConfirmed: true }),
      test.confirmer.makeConfirmation({ ttlSeconds: DAY }),
      test.twoFactor.request({
        token: 'ann@example.com',
        idempotencyKey: `purged-key-on-${engine}`,
      }),
    ]);

    test.clock.advance(DAY);
    expect(await test.confirmer.purge()).toBe(0);
    test.clock.advance(601);
    expect(await test.confirmer.purge({ batchSize: 1 })).toBe(3);
    expect(await rows()).toBe(1);
    expect(await test.confirmer.purge({ signal: AbortSignal.abort() })).toBe(0);
    await test.confirmer.makeConfirmation();
    // Whatever is asked for, nothing alive is older than now.
    expect(await test.confirmer.purge({ olderThan: new Date(test.clock.now() * 2) })).toBe(1);
    expect(await rows()).toBe(1);
    await expect(test.confirmer.purge({ batchSize: 0 })).rejects.toBeInstanceOf(
      TwoFactorInputError,
    );
  });

  it('is purged along its ids: each batch begins where the last one ended, each round at the first', async () => {
    const records = test.dataSource.getRepository(ConfirmationRecord);
    await records.clear();
    // The lowest id, and it lives longest.
    const { id: old } = await test.confirmer.makeConfirmation({ ttlSeconds: DAY });
    const ids: string[] = [];
    for (let at = 0; at < 4; at += 1) {
      test.clock.advance(1);
      ids.push((await test.confirmer.makeConfirmation()).id);
    }
    test.clock.advance(DAY + 601);

    const statements = await test.log.during(async () => {
      expect(await test.confirmer.purge({ batchSize: 2 })).toBe(4);
    });
    const ofRows = statements.filter(({ sql }) => sql.includes('two_factor_confirmation'));
    const parametersOf = (verb: string): unknown[] =>
      ofRows.filter(({ sql }) => sql.startsWith(verb)).map(({ parameters }) => parameters);
    expect(parametersOf('SELECT').map((given) => (given as string[])[0])).toEqual([
      '',
      ids[1],
      ids[3],
    ]);
    // Nothing is deleted where nothing is found.
    expect(parametersOf('DELETE').map((given) => (given as string[]).slice(0, 2))).toEqual([
      [ids[0], ids[1]],
      [ids[2], ids[3]],
    ]);
    expect((await records.find()).map(({ id }) => id)).toEqual([old]);

    test.clock.advance(DAY);
    expect(await test.confirmer.purge({ batchSize: 2 })).toBe(1);
  });
});

describe.each(servers)('With a replica on %s', (engine) => {
  it('decides on the primary alone', async () => {
    const [primary, replica] = await Promise.all([openDatabase(engine), openDatabase(engine)]);
    const migrating = await startApp({ engine, database: primary });
    await migrating.close();
    const connection = (database: typeof primary) => ({
      url: 'url' in database.options ? database.options.url : '',
    });
    // This replica lags for ever: it has not even the table.
    const test = await startApp({
      engine,
      database: {
        ...primary,
        options: {
          type: engine,
          replication: { master: connection(primary), slaves: [connection(replica)] },
        },
      },
      dataSource: { migrationsRun: false },
    });

    const { id } = await test.twoFactor.request({ token: 'ann@example.com' });
    expect(await test.confirmer.check(id)).toMatchObject([{ status: 'pending' }, false]);
    expect((await test.confirmer.confirm(id, test.inbox.lastCode))[1]).toBe(true);
    expect(await test.confirmer.use(id)).toBe(true);

    await test.close();
    await Promise.all([primary.drop(), replica.drop()]);
  });
});
