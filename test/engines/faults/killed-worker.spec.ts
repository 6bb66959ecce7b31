// kill -9 while the database has an answer under way: what is left belongs to the next process.
import { once } from 'node:events';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { ConfirmationState } from '../../../lib/index.js';
import { servers } from '../../support/engines.js';
import type { Fault } from '../../support/fault-proxy.js';
import {
  expectNoStrayRejections,
  startBehindProxy,
  STATEMENTS,
  type BehindProxy,
} from './behind-proxy.js';
import { startWorker } from './start-worker.js';
import type { Order } from './worker.js';

expectNoStrayRejections();

describe.each(servers)('A process that is killed -9 on %s', (engine) => {
  let behind: BehindProxy;
  let guessedAnswered: ConfirmationState;
  let guessedUnasked: ConfirmationState;
  let rightAnswered: ConfirmationState;
  let usedAnswered: ConfirmationState;
  let uncommitted: ConfirmationState;
  let committed: ConfirmationState;
  let bound: ConfirmationState;
  let naive: ConfirmationState;

  // One process, caught in eight calls at once.
  beforeAll(async () => {
    behind = await startBehindProxy(engine, { options: { databaseTimeoutMs: 60_000 } });
    const { direct, proxy } = behind;
    const { confirmer, dataSource, twoFactor, clock } = direct;
    await dataSource.query('CREATE TABLE effect (confirmation varchar(36) NOT NULL UNIQUE)');
    await dataSource.query('CREATE TABLE unguarded_effect (confirmation varchar(36) NOT NULL)');
    await dataSource.query('CREATE TABLE inbox (confirmation varchar(36) NOT NULL)');
    guessedAnswered = await confirmer.makeConfirmation();
    guessedUnasked = await confirmer.makeConfirmation();
    rightAnswered = await confirmer.makeConfirmation();
    usedAnswered = await confirmer.makeConfirmation({ isConfirmed: true });
    uncommitted = await confirmer.makeConfirmation({ isConfirmed: true });
    committed = await confirmer.makeConfirmation({ isConfirmed: true });
    naive = await confirmer.makeConfirmation({ isConfirmed: true });
    ({ state: bound } = await twoFactor.request({ token: 'ann@example.com' }));
    await dataSource.query(
      `UPDATE two_factor_confirmation SET last_sent_at = ${clock.now() - 60_000} WHERE id = '${bound.id}'`,
    );

    const { child: worker } = await startWorker('worker.ts', behind);
    const caught = async (statement: RegExp, fault: Fault, order: Order): Promise<void> => {
      const trap = proxy.trap(statement, fault);
      worker.send(order);
      await trap.reached;
    };
    const { id } = guessedAnswered;
    await caught(STATEMENTS.confirm, 'hold-answer', { do: 'confirm', id, code: 'WRONGCODE' });
    await caught(STATEMENTS.confirm, 'hold-request', {
      do: 'confirm',
      id: guessedUnasked.id,
      code: 'WRONGCODE',
    });
    await caught(STATEMENTS.confirm, 'hold-answer', {
      do: 'confirm',
      id: rightAnswered.id,
      code: rightAnswered.code!,
    });
    await caught(STATEMENTS.use, 'hold-answer', {
      do: 'use',
      id: usedAnswered.id,
      key: 'key-of-the-killed',
    });
    await caught(/before the commit/, 'hold-answer', {
      do: 'transfer',
      id: uncommitted.id,
      lastWords: 'before the commit',
    });
    await caught(STATEMENTS.commit, 'hold-answer', {
      do: 'transfer',
      id: committed.id,
      lastWords: 'the commit follows',
    });
    await caught(STATEMENTS.use, 'hold-request', { do: 'naive transfer', id: naive.id });
    await caught(STATEMENTS.bind, 'hold-answer', { do: 'resend', id: bound.id });

    worker.kill('SIGKILL');
    await once(worker, 'exit');
  });
  afterAll(() => behind.close());

  const effects = async (id: string, table = 'effect'): Promise<number> => {
    const rows: unknown[] = await behind.direct.dataSource.query(
      `SELECT confirmation FROM ${table} WHERE confirmation = '${id}'`,
    );
    return rows.length;
  };
  const spend = (id: string): Promise<boolean> =>
    behind.direct.dataSource.transaction(async (manager) => {
      const used = await behind.direct.confirmer.use(id, { manager });
      if (used) await manager.query(`INSERT INTO effect VALUES ('${id}')`);
      return used;
    });

  it('has spent the attempt when it dies between claim and answer, and the code is still valid (case 79)', async () => {
    const { confirmer } = behind.direct;
    expect((await behind.row(guessedAnswered.id)).attempts).toBe(1);

    expect(await confirmer.confirm(guessedAnswered.id, guessedAnswered.code!)).toMatchObject([
      { status: 'confirmed', attemptsLeft: 3 },
      true,
    ]);
  });

  it('has spent nothing when it dies before its statement has reached the server (case 79)', async () => {
    const { confirmer } = behind.direct;
    expect((await behind.row(guessedUnasked.id)).attempts).toBe(0);

    expect(await confirmer.confirm(guessedUnasked.id, guessedUnasked.code!)).toMatchObject([
      { status: 'confirmed', attemptsLeft: 4 },
      true,
    ]);
  });

  it('has confirmed when it dies with the right code, and the proof can be used once (case 79)', async () => {
    const { confirmer } = behind.direct;

    expect(await confirmer.check(rightAnswered.id)).toMatchObject([{ attemptsLeft: 4 }, true]);
    expect(await confirmer.use(rightAnswered.id)).toBe(true);
    expect(await confirmer.use(rightAnswered.id)).toBe(false);
  });

  it('leaves no lock and no effect when it dies in a transaction before its commit, and another caller gets true (case 41)', async () => {
    expect(await spend(uncommitted.id)).toBe(true);
    expect(await effects(uncommitted.id)).toBe(1);
  });

  it('leaves one effect when it is killed after the commit of its transaction, and every other caller gets false (case 41)', async () => {
    expect(await effects(committed.id)).toBe(1);
    expect(await spend(committed.id)).toBe(false);
    expect(await effects(committed.id)).toBe(1);
  });

  it('causes an effect twice when that is outside of the transaction, which is the naive twin (case 41)', async () => {
    const { confirmer, dataSource } = behind.direct;
    await dataSource.query(`INSERT INTO unguarded_effect VALUES ('${naive.id}')`);

    expect(await confirmer.use(naive.id)).toBe(true);
    expect(await effects(naive.id, 'unguarded_effect')).toBe(2);
  });

  it('leaves its key answered true, and no other, when it dies in a use with a key', async () => {
    const { confirmer } = behind.direct;

    expect(await confirmer.use(usedAnswered.id)).toBe(false);
    expect(await confirmer.use(usedAnswered.id, { idempotencyKey: 'key-of-another-caller' })).toBe(
      false,
    );
    expect(await confirmer.use(usedAnswered.id, { idempotencyKey: 'key-of-the-killed' })).toBe(
      true,
    );
  });

  it('has charged the message and not sent it when it dies between the two, and the message can be asked for again (case 79)', async () => {
    const { twoFactor, inbox, clock, dataSource, confirmer } = behind.direct;
    const sent: unknown[] = await dataSource.query('SELECT confirmation FROM inbox');
    expect(sent).toEqual([]);
    expect((await behind.row(bound.id)).sends).toBe(2);

    // Past the cooldown, and past what the killed process' own clock was ahead.
    clock.advance(300);
    await twoFactor.resend(bound.id);
    expect(inbox.deliveries).toHaveLength(2);
    expect((await confirmer.confirm(bound.id, inbox.lastCode))[1]).toBe(true);
  });
});
