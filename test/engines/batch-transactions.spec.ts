// Calls of several kinds share one transaction when TypeORM logs no statement. Each must get the answer that it gets alone.
import { setTimeout as sleep } from 'node:timers/promises';

import { Client } from 'pg';
import { describe, expect, it, vi } from 'vitest';

import { TwoFactorConfigurationError, type ConfirmationState } from '../../lib/index.js';
import { WRONG_CODE } from '../support/canaries.js';
import { engines } from '../support/engines.js';
import { gate } from '../support/gate.js';
import { goes, sharedTransactions, wire } from '../support/shared-transactions.js';

const { start, make, confirmed, mixed } = sharedTransactions();

describe.each(engines.filter((engine) => engine === 'postgres'))('On %s', () => {
  it('runs concurrent calls of all kinds in one transaction', async () => {
    await start();
    const [used, tried] = [await confirmed(3), await make(3)];
    const counted = goes();

    const answers = await Promise.all(mixed(used, tried));

    expect(counted).toEqual([9]);
    expect(answers.slice(0, 3)).toEqual([true, true, true]);
    for (const answer of answers.slice(3, 6)) {
      expect(answer).toEqual([expect.objectContaining({ status: 'confirmed' }), true]);
    }
    for (const answer of answers.slice(6)) expect(answer).toMatchObject({ status: 'pending' });
  });

  it('runs many calls of a kind as one statement in the shared transaction', async () => {
    await start();
    const [used, tried] = [await confirmed(20), await make(3)];
    const counted = goes();

    await Promise.all(mixed(used, tried));

    expect(counted).toEqual([7]);
  });

  it('returns to each call its own answer when calls share a transaction', async () => {
    const { confirmer } = await start();
    const [first, wrong, right, locked] = (await make(4, {
      purpose: 'login',
      subject: 'ann\'s "\\ \u00fc \u{1F600}',
      meta: { a: ['"', 1] },
    })) as [ConfirmationState, ConfirmationState, ConfirmationState, ConfirmationState];
    const [proof, cancelled, foreign] = (await confirmed(3)) as [
      ConfirmationState,
      ConfirmationState,
      ConfirmationState,
    ];
    for (let tries = 0; tries < 5; tries += 1) await confirmer.confirm(locked.id, WRONG_CODE);
    await confirmer.cancel(cancelled);
    const unknown = `${right.id.slice(0, 20)}${'0'.repeat(16)}`;
    const counted = goes();

    const answers = await Promise.all([
      confirmer.confirm(first.id, WRONG_CODE),
      confirmer.confirm(wrong.id, WRONG_CODE),
      confirmer.confirm(right.id, right.code!),
      confirmer.confirm(locked.id, locked.code!),
      confirmer.confirm(unknown, '123456'),
      confirmer.use(proof),
      confirmer.use(cancelled),
      confirmer.use(foreign, { subject: 'bob' }),
      confirmer.makeConfirmation({ subject: 'bob' }),
    ]);

    // The first call found no statement in flight and went alone. The others follow in one transaction: four codes as one
    // batched statement, and the few proofs in one statement each.
    expect(counted.slice(0, 2)).toEqual([1, 5]);
    const seen = answers
      .slice(0, 5)
      .map((answer) => answer as Awaited<ReturnType<typeof confirmer.confirm>>)
      .map(([state, done]) => [state?.id, state?.status, state?.attemptsLeft, done]);
    expect(seen).toEqual([
      [first.id, 'pending', 4, false],
      [wrong.id, 'pending', 4, false],
      [right.id, 'confirmed', 4, true],
      [locked.id, 'locked', 0, false],
      [undefined, undefined, undefined, false],
    ]);
    expect(answers[2][0]).toMatchObject({
      subject: right.subject,
      meta: { a: ['"', 1] },
    });
    expect(answers.slice(5, 8)).toEqual([true, false, false]);
    expect(answers[8]).toMatchObject({ subject: 'bob', status: 'pending' });
  });

  it('rejects only the call whose statement fails when calls share a transaction', async () => {
    const { confirmer, dataSource } = await start();
    await dataSource.query(`CREATE FUNCTION spoil() RETURNS trigger AS $$ BEGIN
      IF NEW.subject = 'spoiler' THEN RAISE 'spoiled'; END IF; RETURN NEW; END $$ LANGUAGE plpgsql`);
    await dataSource.query(
      'CREATE TRIGGER spoil BEFORE INSERT ON two_factor_confirmation FOR EACH ROW EXECUTE FUNCTION spoil()',
    );
    const [used, tried] = [await confirmed(3), await make(3)];
    const counted = goes();

    const answers = await Promise.allSettled([
      ...mixed(used, tried),
      confirmer.makeConfirmation({ subject: 'spoiler' }),
      confirmer.makeConfirmation({ subject: 'ann' }),
    ]);

    expect(counted[0]).toBe(7);
    expect(answers.map(({ status }) => status === 'fulfilled')).toEqual(
      answers.map((_, index) => index !== 9),
    );
    expect(answers[9]).toMatchObject({
      reason: expect.any(TwoFactorConfigurationError) as unknown,
    });
    // One attempt each: what was undone was charged once more, and not twice.
    for (const { id } of tried) {
      expect((await confirmer.check(id))[0]).toMatchObject({ attemptsLeft: 4 });
    }
  });

  it.each([3, 20])(
    'finds the reasons of %i refused calls by one further statement',
    async (count) => {
      const { confirmer } = await start();
      const used = await confirmed(count);
      await Promise.all(used.map((state) => confirmer.use(state)));
      const counted = goes();

      const again = await Promise.all(used.map((state) => confirmer.use(state)));

      expect(again).toEqual(used.map(() => false));
      // Few calls take one statement each and many share one. A further statement asks why no row was changed.
      expect(counted).toEqual([count === 3 ? 3 : 1, 1]);
    },
  );

  it('rejects only the call whose values cannot be serialized', async () => {
    let left = 0;
    const now = (): number => {
      left -= 1;
      return left === 0 ? (undefined as unknown as number) : Date.now();
    };
    const { confirmer } = await start({ clock: { now } });
    const used = await confirmed(6);

    // The third of them, when all were to go together.
    left = 3;
    const answers = await Promise.all(used.map((state) => confirmer.use(state)));

    expect(left).toBeLessThan(0);
    expect(answers).toEqual(used.map(() => true));
  });

  it('gives other calls their full timeout when one call has waited long', async () => {
    const { confirmer, dataSource, database } = await start(
      { databaseTimeoutMs: 6_000 },
      { poolSize: 2 },
    );
    const [busy] = await make(1);
    const locker = new Client((database.options as { url: string }).url);
    await locker.connect();
    const [isTaken, isFree] = [gate(), gate()];
    const taken = (): Promise<void> =>
      dataSource.transaction(async () => {
        isTaken.open();
        await isFree.opened;
      });
    try {
      await locker.query('BEGIN');
      await locker.query('SELECT 1 FROM two_factor_confirmation FOR UPDATE');
      const first = confirmer.confirm(busy!.id, WRONG_CODE).catch(() => undefined);
      const late = confirmer.confirm(busy!.id, WRONG_CODE).catch(() => 'refused');
      // The time that the other calls have left when the second one is refused.
      await sleep(3_000);
      // The whole pool is taken as soon as the row is free, until the second one is refused.
      const pool = [taken(), taken()];
      await isTaken.opened;
      await locker.query('ROLLBACK');
      const fresh = Array.from({ length: 6 }, () => confirmer.makeConfirmation());
      const answers = Promise.allSettled(fresh);

      expect(await late).toBe('refused');
      isFree.open();

      expect((await answers).map(({ status }) => status)).toEqual(fresh.map(() => 'fulfilled'));
      await Promise.all([first, ...pool]);
    } finally {
      isFree.open();
      await locker.end();
    }
  });

  it('reports no call as undone when a transaction gets no answer', async () => {
    const { confirmer } = await start();
    const [used, tried] = [await confirmed(4), await make(4)];
    const { prototype } = Client as unknown as { prototype: { query(query: unknown): unknown } };
    // oxlint-disable-next-line typescript/unbound-method -- called with its own `this` below
    const { query } = prototype;
    let calls = 0;
    vi.spyOn(prototype, 'query').mockImplementation(function (this: object, said: unknown) {
      const submitted = said as { submit?: unknown; callback: (error: Error) => void };
      calls += 1;
      if (submitted.submit && calls === 1) {
        const answer = submitted.callback;
        submitted.callback = () =>
          answer(Object.assign(new Error('Connection terminated'), { code: 'ECONNRESET' }));
      }
      return Reflect.apply(query, this, [said]);
    });

    const answers = await Promise.allSettled([
      ...used.map((state, index) =>
        confirmer.use(state, { idempotencyKey: `sixteen-characters-${index}` }),
      ),
      ...tried.map((state) => confirmer.confirm(state.id, WRONG_CODE)),
    ]);

    vi.restoreAllMocks();
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 'rejected'));
    for (const [index, state] of used.entries()) {
      expect(await confirmer.use(state, { idempotencyKey: 'another-key-of-an-effect' })).toBe(
        false,
      );
      expect(await confirmer.use(state, { idempotencyKey: `sixteen-characters-${index}` })).toBe(
        true,
      );
    }
    for (const { id } of tried) {
      expect((await confirmer.check(id))[0]).toMatchObject({ attemptsLeft: 4 });
    }
  });

  it('sends plain texts when a pooler refuses prepared statements, and does everything once', async () => {
    const { confirmer } = await start();
    const [used, tried] = [await confirmed(4), await make(4)];
    // As one that hands each transaction to another server, where the name is taken already.
    const { parse } = wire;
    let isTaken = false;
    vi.spyOn(wire, 'parse').mockImplementation(function (this: object, query) {
      parse.call(this, query);
      if (isTaken || !query.text.includes('SKIP LOCKED') || query.name === '') return;
      isTaken = true;
      parse.call(this, query);
    });

    const answers = await Promise.all(mixed(used, tried));

    expect(isTaken).toBe(true);
    expect(answers.slice(0, 4)).toEqual([true, true, true, true]);
    for (const { id } of tried) {
      expect((await confirmer.check(id))[0]).toMatchObject({
        status: 'confirmed',
        attemptsLeft: 4,
      });
    }
  });

  it('sends one statement of each kind when the client pipelines', async () => {
    await start({}, { extra: { pipeline: true } });
    const [used, tried] = [await confirmed(6), await make(6)];

    const query = vi.spyOn(Client.prototype, 'query');

    const answers = await Promise.all(mixed(used, tried));

    const said = query.mock.calls.map(([first]) => (first as { name?: string }).name);
    expect(said.filter(Boolean)).toHaveLength(3);
    expect(answers.slice(0, 6)).toEqual(used.map(() => true));
    expect(answers.slice(6, 12).map((answer) => (answer as unknown[])[1])).toEqual(
      tried.map(() => true),
    );
  });

  it('batches reads apart from writes, so that a read waits for no commit', async () => {
    const { confirmer } = await start();
    const [used, tried] = [await confirmed(3), await make(3)];
    const counted = goes();

    await Promise.all([...mixed(used, tried), ...tried.map(({ id }) => confirmer.check(id))]);

    expect(counted.toSorted((one, other) => one - other)).toEqual([1, 1, 1, 9]);
  });
});
