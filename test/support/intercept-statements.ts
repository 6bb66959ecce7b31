import type { DataSource, QueryRunner } from 'typeorm';

/** Stands around every statement of a data source: runs it, later, never, or as if it had not been answered. */
export type AroundStatement = (
  sql: string,
  run: () => Promise<unknown>,
  runner: QueryRunner,
) => Promise<unknown>;

const CONNECT = 'CONNECT';

/**
 * Puts `around` around every statement that goes through the query runners of a data source, and around the taking of a
 * connection where `connects` is said. What is inside a transaction is told by `runner.isTransactionActive`.
 */
export function interceptStatements(
  dataSource: DataSource,
  around: AroundStatement,
  { connects = false } = {},
): void {
  const known = new WeakSet<QueryRunner>();
  const create = dataSource.createQueryRunner.bind(dataSource);
  dataSource.createQueryRunner = (mode) => {
    const runner = create(mode);
    // SQLite has one for all.
    if (known.has(runner)) return runner;
    known.add(runner);
    const query = runner.query.bind(runner) as (...args: unknown[]) => Promise<unknown>;
    runner.query = ((...args: unknown[]) =>
      around(String(args[0]), () => query(...args), runner)) as QueryRunner['query'];
    if (connects) {
      const connect = runner.connect.bind(runner) as () => Promise<unknown>;
      runner.connect = (() => around(CONNECT, connect, runner)) as QueryRunner['connect'];
    }
    return runner;
  };
}
