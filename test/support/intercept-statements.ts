import type { DataSource, QueryRunner } from 'typeorm';

/** Stands around every statement of a data source: runs it, or another one, later, never, or as if it had not been answered. */
export type AroundStatement = (
  sql: string,
  run: (instead?: unknown) => Promise<unknown>,
  runner: QueryRunner,
) => Promise<unknown>;

const CONNECT = 'CONNECT';

export interface InterceptOptions {
  /** Also the taking of a connection. @default false */
  readonly connects?: boolean;
  /** Without it, what would pass the query runners by does. @default true */
  readonly all?: boolean;
}

/**
 * Puts `around` around every statement that goes through the query runners of a data source, and around the taking of a
 * connection where `connects` is set. `runner.isTransactionActive` tells whether a statement is inside a transaction.
 */
export function interceptStatements(
  dataSource: DataSource,
  around: AroundStatement,
  { connects = false, all = true }: InterceptOptions = {},
): void {
  // TypeORM logs through its query runners when the logger is not its own silent one.
  if (all) dataSource.logger = Object.create(dataSource.logger) as typeof dataSource.logger;
  const known = new WeakSet<QueryRunner>();
  const create = dataSource.createQueryRunner.bind(dataSource);
  dataSource.createQueryRunner = (mode) => {
    const runner = create(mode);
    // SQLite has one for all.
    if (known.has(runner)) return runner;
    known.add(runner);
    const query = runner.query.bind(runner) as (...args: unknown[]) => Promise<unknown>;
    runner.query = ((said: unknown, ...more: unknown[]) =>
      around(String(said), (sql = said) => query(sql, ...more), runner)) as QueryRunner['query'];
    if (connects) {
      const connect = runner.connect.bind(runner) as () => Promise<unknown>;
      runner.connect = (() => around(CONNECT, connect, runner)) as QueryRunner['connect'];
    }
    return runner;
  };
}
