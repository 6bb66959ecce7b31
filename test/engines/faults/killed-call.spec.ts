// kill -9 while a guarded call runs: the proof stays used, and the person confirms once more.
import { once } from 'node:events';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { servers } from '../../support/engines.js';
import type { Fault } from '../../support/fault-proxy.js';
import {
  expectNoStrayRejections,
  startBehindProxy,
  STATEMENTS,
  type BehindProxy,
} from './behind-proxy.js';
import { startWorker } from './start-worker.js';

expectNoStrayRejections();

describe.each(servers)('A process that is killed -9 in a guarded call on %s', (engine) => {
  let behind: BehindProxy;
  let reserved: string;
  let inTransaction: string;
  let committed: string;
  let beforeEnd: string;

  beforeAll(async () => {
    behind = await startBehindProxy(engine, { options: { databaseTimeoutMs: 60_000 } });
    const { direct, proxy } = behind;
    await direct.dataSource.query('CREATE TABLE effect (confirmation varchar(36) NOT NULL)');
    const prove = async (): Promise<string> => {
      const binding = { purpose: 'transfer', subject: 'ann', isConfirmed: true };
      return (await direct.confirmer.makeConfirmation(binding)).id;
    };
    reserved = await prove();
    inTransaction = await prove();
    committed = await prove();
    beforeEnd = await prove();

    const { child, message: origin } = await startWorker('guarded-worker.ts', behind);
    const caught = async (
      statement: RegExp,
      fault: Fault,
      route: string,
      id: string,
    ): Promise<void> => {
      const trap = proxy.trap(statement, fault);
      const call = fetch(`${String(origin)}/transfers/${route}`, {
        method: 'POST',
        headers: { 'x-user': 'ann', 'x-confirmation-id': id },
      });
      // The connection ends with the process.
      call.catch(() => undefined);
      await trap.reached;
    };
    await caught(STATEMENTS.use, 'hold-answer', 'forgetful', reserved);
    await caught(/before the commit/, 'hold-answer', 'transactional', inTransaction);
    await caught(STATEMENTS.commit, 'hold-answer', 'transactional', committed);
    await caught(STATEMENTS.keepReserved, 'hold-request', 'forgetful', beforeEnd);

    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  afterAll(() => behind.close());

  const effects = async (id: string): Promise<number> => {
    const rows: unknown[] = await behind.direct.dataSource.query(
      `SELECT confirmation FROM effect WHERE confirmation = '${id}'`,
    );
    return rows.length;
  };
  const isUsedForGood = async (id: string): Promise<boolean> => {
    const { confirmer } = behind.direct;
    const binding = { purpose: 'transfer', subject: 'ann' };
    const [state, isUsable] = await confirmer.check(id, binding);
    return !isUsable && state?.isUsed === true && !(await confirmer.use(id, binding));
  };

  it('has used the proof without an effect when it died before the handler', async () => {
    expect(await effects(reserved)).toBe(0);
    expect((await behind.row(reserved)).useKey).toMatch(/^ r/);
    expect(await isUsedForGood(reserved)).toBe(true);
  });

  it('has used the proof without an effect when it died before the commit', async () => {
    expect(await effects(inTransaction)).toBe(0);
    expect((await behind.row(inTransaction)).useKey).toMatch(/^ r/);
    expect(await isUsedForGood(inTransaction)).toBe(true);
  });

  it('has used the proof with one effect when it died after the commit', async () => {
    expect(await effects(committed)).toBe(1);
    expect((await behind.row(committed)).useKey).toBeNull();
    expect(await isUsedForGood(committed)).toBe(true);
  });

  it('has used the proof with one effect when it died before the end of the call', async () => {
    expect(await effects(beforeEnd)).toBe(1);
    expect((await behind.row(beforeEnd)).useKey).toMatch(/^ r/);
    expect(await isUsedForGood(beforeEnd)).toBe(true);
  });
});
