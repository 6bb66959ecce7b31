// A transaction of the application loses its race at COMMIT: Galera and MySQL Group Replication certify there, and PostgreSQL checks a
// serializable one.
import { afterEach, describe, expect, it } from 'vitest';

import { TwoFactorConflictError, TwoFactorUnavailableError } from '../../lib/index.js';
import { openDatabase, servers } from '../support/engines.js';
import { FaultProxy } from '../support/fault-proxy.js';
import { startHttpApp, type HttpTestApp } from '../support/http.js';
import { startApp, type TestApp } from '../support/test-app.js';
import { TransfersController } from '../support/transfers.js';
import { quietly, STATEMENTS } from './faults/behind-proxy.js';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

/** SQLSTATE on PostgreSQL, error number elsewhere: of Galera, and of MySQL Group Replication. */
const LOST_AT_COMMIT = { postgres: ['40001'], mariadb: [1213], mysql: [1213, 3101] } as const;
const ROWS = servers.flatMap((engine) =>
  LOST_AT_COMMIT[engine].map((lost) => [engine, lost] as const),
);

describe.each(ROWS)('A COMMIT that is refused on %s by %s', (engine, lost) => {
  async function start(): Promise<{ http: HttpTestApp; proxy: FaultProxy }> {
    const database = await openDatabase(engine);
    const proxy = await FaultProxy.before((database.options as { url: string }).url);
    const http = await startHttpApp({
      ...quietly,
      database: proxy.through(database),
      controllers: [TransfersController],
      options: {
        controller: true,
        purposes: { transfer: { subject: () => 'ann', recipient: () => 'ann@bank.example' } },
      },
    });
    ends.push(async () => {
      proxy.calm();
      await http.close();
      await proxy.close();
      await database.drop();
    });
    return { http, proxy };
  }

  it('is TwoFactorConflictError for a transaction that used a proof, and the proof is unused', async () => {
    const { http, proxy } = await start();
    const { confirmer, dataSource } = http;
    const state = await confirmer.makeConfirmation({ isConfirmed: true });
    const use = (): Promise<boolean> =>
      dataSource.transaction((manager) => confirmer.use(state, { manager }));
    proxy.trap(STATEMENTS.commit, { refused: lost });

    const refusal: unknown = await use().catch((error: unknown) => error);

    expect(refusal).toBeInstanceOf(TwoFactorConflictError);
    expect((refusal as Error).message).toMatch(/is dead \((SQLSTATE 40001|errno 1213|errno 3101)/);
    expect(await use()).toBe(true);
    expect(await use()).toBe(false);
  });

  it('is 409 from a guarded route, and the proof can be used again', async () => {
    const { http, proxy } = await start();
    const { id } = await http.confirmer.makeConfirmation({
      purpose: 'transfer',
      subject: 'ann',
      isConfirmed: true,
    });
    const transfer = () => http.post('/transfers', {}, { 'x-confirmation-id': id });
    proxy.trap(STATEMENTS.commit, { refused: lost });

    expect(await transfer()).toBeProblem(409, 'conflict');
    expect((await transfer()).status).toBe(200);
    expect(await transfer()).toBeProblem(409, 'confirmation-used');
  });

  it('stays as it is for a transaction without a proof, also on a runner that had one before', async () => {
    const { http, proxy } = await start();
    const { confirmer, dataSource } = http;
    const runner = dataSource.createQueryRunner();
    await runner.startTransaction();
    await confirmer.use((await confirmer.makeConfirmation({ isConfirmed: true })).id, {
      manager: runner.manager,
    });
    await runner.commitTransaction();
    for (const end of ['commitTransaction', 'rollbackTransaction'] as const) {
      await runner.startTransaction();
      if (end === 'rollbackTransaction') {
        await confirmer.use((await confirmer.makeConfirmation({ isConfirmed: true })).id, {
          manager: runner.manager,
        });
        await runner.rollbackTransaction();
        await runner.startTransaction();
      }
      await runner.query('SELECT 1');
      proxy.trap(STATEMENTS.commit, { refused: lost });
      const refusal: unknown = await runner.commitTransaction().catch((error: unknown) => error);
      expect(refusal).toBeInstanceOf(Error);
      expect(refusal).not.toBeInstanceOf(TwoFactorConflictError);
      await runner.rollbackTransaction();
    }
    await runner.release();
  });
});

describe.each(servers.filter((engine) => engine === 'mariadb'))('On %s', (engine) => {
  it('a Galera node that has left its cluster is temporary, at COMMIT too', async () => {
    const database = await openDatabase(engine);
    const proxy = await FaultProxy.before((database.options as { url: string }).url);
    const test = await startApp({ ...quietly, database: proxy.through(database) });
    const { confirmer, dataSource } = test;
    const state = await confirmer.makeConfirmation({ isConfirmed: true });
    proxy.trap(STATEMENTS.commit, { refused: 1047 });

    const refusal: unknown = await dataSource
      .transaction((manager) => confirmer.use(state, { manager }))
      .catch((error: unknown) => error);

    expect(refusal).toBeInstanceOf(TwoFactorUnavailableError);
    expect(refusal).toMatchObject({ retryAfterSeconds: 1 });
    expect((refusal as Error).message).toMatch(/node of the cluster is not ready \S+ statements/);
    await test.close();
    await proxy.close();
    await database.drop();
  });
});

describe.each(servers.filter((engine) => engine === 'postgres'))('On %s', (engine) => {
  it('a serializable transaction that loses at COMMIT is TwoFactorConflictError, and its proof is unused', async () => {
    const test: TestApp = await startApp({ engine });
    ends.push(() => test.close());
    const { confirmer, dataSource } = test;
    await dataSource.query('CREATE TABLE doctor (name text PRIMARY KEY, is_on_call boolean)');
    await dataSource.query("INSERT INTO doctor VALUES ('ann', true), ('bob', true)");
    const proofs = [
      await confirmer.makeConfirmation({ isConfirmed: true }),
      await confirmer.makeConfirmation({ isConfirmed: true }),
    ];
    // Write skew: each reads what the other one writes. PostgreSQL finds out when the second commits.
    const runners = proofs.map(() => dataSource.createQueryRunner());
    for (const runner of runners) await runner.startTransaction('SERIALIZABLE');
    for (const runner of runners)
      await runner.query('SELECT count(*) FROM doctor WHERE is_on_call');
    for (const [index, runner] of runners.entries()) {
      expect(await confirmer.use(proofs[index]!, { manager: runner.manager })).toBe(true);
      const name = index === 0 ? 'ann' : 'bob';
      await runner.query(`UPDATE doctor SET is_on_call = false WHERE name = '${name}'`);
    }
    await runners[0]!.commitTransaction();
    await expect(runners[1]!.commitTransaction()).rejects.toBeInstanceOf(TwoFactorConflictError);
    await runners[1]!.rollbackTransaction();
    for (const runner of runners) await runner.release();

    expect(await confirmer.use(proofs[0]!)).toBe(false);
    expect(await confirmer.use(proofs[1]!)).toBe(true);
  });
});
