// Whoever asks TypeORM for what is said to the database hears all of it; who does not is not kept waiting by the telling.
import { afterEach, describe, expect, it } from 'vitest';

import { TwoFactorUnavailableError } from '../../lib/index.js';
import { engines } from '../support/engines.js';
import { interceptStatements } from '../support/intercept-statements.js';
import { StatementLog, startApp, type TestApp } from '../support/test-app.js';

const SILENT = { logger: 'advanced-console', logging: false } as const;

let test: TestApp;
afterEach(() => test.close());

/** One life, in four statements. */
async function live({ confirmer }: TestApp): Promise<boolean[]> {
  const state = await confirmer.makeConfirmation();
  const [, early] = await confirmer.confirm(state.id, 'WRONGCODE');
  const [, confirmed] = await confirmer.confirm(state.id, state.code!);
  return [early, confirmed, await confirmer.use(state)];
}

describe.each(engines.filter((engine) => engine === 'postgres'))('On %s', () => {
  it('nothing is said to a data source that logs nothing, and all of it is done', async () => {
    test = await startApp({ engine: 'postgres', dataSource: SILENT });
    const heard: string[] = [];
    interceptStatements(test.dataSource, (sql, run) => {
      heard.push(sql);
      return run();
    });

    expect(await live(test)).toEqual([false, true, true]);
    expect(heard).toEqual([]);
  });

  it('without prepared statements it is said to TypeORM', async () => {
    const options = { preparedStatements: false };
    test = await startApp({ engine: 'postgres', dataSource: SILENT, options });
    const heard: string[] = [];
    interceptStatements(test.dataSource, (sql, run) => {
      heard.push(sql);
      return run();
    });

    expect(await live(test)).toEqual([false, true, true]);
    expect(heard).toHaveLength(4);
  });

  it('a logger hears all of it, also one that comes later', async () => {
    test = await startApp({ engine: 'postgres', dataSource: SILENT });
    const log = new StatementLog();
    await live(test);
    (test.dataSource as { logger: unknown }).logger = log;

    const statements = await log.during(() => live(test));

    expect(statements.map(({ sql }) => sql.split(' ')[0])).toEqual([
      'INSERT',
      'UPDATE',
      'UPDATE',
      'UPDATE',
    ]);
  });

  it('slow statements are told when that is asked for', async () => {
    test = await startApp({
      engine: 'postgres',
      dataSource: { ...SILENT, maxQueryExecutionTime: 60_000 },
    });
    const heard: string[] = [];
    interceptStatements(test.dataSource, (sql, run) => {
      heard.push(sql);
      return run();
    });

    await live(test);

    expect(heard).toHaveLength(4);
  });

  it('an error carries neither statement nor parameters', async () => {
    test = await startApp({ engine: 'postgres', dataSource: SILENT });
    const state = await test.confirmer.makeConfirmation();
    await test.dataSource.query(
      `ALTER TABLE two_factor_confirmation ADD CONSTRAINT never CHECK (used_at IS NULL)`,
    );
    await state.confirm();

    const error: unknown = await test.confirmer.use(state).catch((caught: unknown) => caught);

    expect(error).toBeInstanceOf(TwoFactorUnavailableError);
    const { cause } = error as Error;
    expect(Object.keys(cause as object)).toEqual(['code']);
    expect(cause).toMatchObject({ code: '23514' });
  });
});
