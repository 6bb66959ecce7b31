// An application that has TypeORM log statements gets all of them; one that does not pays nothing for logging.
import { afterEach, describe, expect, it } from 'vitest';

import { TwoFactorConfigurationError } from '../../lib/index.js';
import { servers, type EngineName } from '../support/engines.js';
import { interceptStatements } from '../support/intercept-statements.js';
import { SILENT, StatementLog, startApp, type TestApp } from '../support/test-app.js';

const VIOLATED: Readonly<Record<string, string>> = {
  postgres: '23514',
  // 4025, by the name that mysql2 has for it.
  mariadb: 'ER_INNODB_AUTOEXTEND_SIZE_OUT_OF_RANGE',
  mysql: 'ER_CHECK_CONSTRAINT_VIOLATED',
};

let test: TestApp;
afterEach(() => test.close());

/** With the default limits, also in the rounds that run without them. */
const start = (engine: EngineName, options = {}, dataSource = {}): Promise<TestApp> =>
  startApp({
    engine,
    dataSource: { ...SILENT, ...dataSource },
    options: { limits: {}, ...options },
  });

/** One life. */
async function live({ confirmer }: TestApp): Promise<boolean[]> {
  const state = await confirmer.makeConfirmation();
  const [, early] = await confirmer.confirm(state.id, 'WRONGCODE');
  const [, confirmed] = await confirmer.confirm(state.id, state.code!);
  return [early, confirmed, await confirmer.use(state)];
}

/** Its statements, by their first words. */
const LIFE: Readonly<Record<string, string[]>> = {
  // Wrong and right codes are charged in the statement that compares them.
  postgres: ['INSERT', 'WITH', 'WITH', 'UPDATE'],
  // An attempt reads which quotas there are to charge.
  mariadb: ['INSERT', 'SELECT', 'UPDATE', 'SELECT', 'UPDATE', 'UPDATE'],
  mysql: ['INSERT', 'SELECT', 'UPDATE', 'SELECT', 'UPDATE', 'UPDATE'],
};

/** What goes through TypeORM's query runners, by its first words. */
function hear({ dataSource }: TestApp): string[] {
  const heard: string[] = [];
  const around = (sql: string, run: () => Promise<unknown>): Promise<unknown> => {
    heard.push(firstWord(sql));
    return run();
  };
  interceptStatements(dataSource, around, { all: false });
  return heard;
}

const firstWord = (sql: string): string => sql.split(' ')[0]!;

describe.each(servers)('On %s', (engine) => {
  it('executes every statement and logs none when the data source logs no statement', async () => {
    test = await start(engine);
    const heard = hear(test);

    expect(await live(test)).toEqual([false, true, true]);
    expect(heard).toEqual([]);
  });

  it('runs statements through TypeORM when prepared statements are off', async () => {
    test = await start(engine, { preparedStatements: false });
    const heard = hear(test);

    expect(await live(test)).toEqual([false, true, true]);
    expect(heard).toEqual(LIFE[engine]);
  });

  it('a logger hears all of it, also one that comes later', async () => {
    test = await start(engine);
    const log = new StatementLog();
    await live(test);
    test.dataSource.logger = log;

    const statements = await log.during(() => live(test));

    expect(statements.map(({ sql }) => firstWord(sql))).toEqual(LIFE[engine]);
  });

  it('reports slow statements when the option asks for it', async () => {
    test = await start(engine, {}, { maxQueryExecutionTime: 60_000 });
    const heard = hear(test);

    await live(test);

    expect(heard).toEqual(LIFE[engine]);
  });

  it('an error carries neither statement nor parameters', async () => {
    test = await start(engine);
    const state = await test.confirmer.makeConfirmation();
    await test.dataSource.query(
      `ALTER TABLE two_factor_confirmation ADD CONSTRAINT never CHECK (used_at IS NULL)`,
    );
    await state.confirm();

    const error: unknown = await test.confirmer.use(state).catch((caught: unknown) => caught);

    expect(error).toBeInstanceOf(TwoFactorConfigurationError);
    const { cause } = error as Error;
    expect(Object.keys(cause as object)).toEqual(['code']);
    expect(cause).toMatchObject({ code: VIOLATED[engine] });
  });

  it('a purge, whose LIMIT no driver prepares everywhere, is done as well', async () => {
    test = await start(engine);
    const states = await Promise.all([1, 2, 3].map(() => test.confirmer.makeConfirmation()));
    test.clock.advance(3 * 86_400);

    expect(await test.confirmer.purge({ batchSize: 2 })).toBe(3);
    expect(await test.confirmer.check(states[0]!)).toEqual([null, false]);
  });
});
