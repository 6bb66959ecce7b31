import type { DataSource } from 'typeorm';

import type { EngineName } from '../../support/engines.js';

/** What a table and its statements cost at one moment. */
export interface TableCosts {
  readonly tableKb: number;
  readonly indexKb: number;
  /** The pages that the read of due messages, and a claim, touch; `null` where the server does not count them. */
  readonly dueBuffers: number | null;
  readonly claimBuffers: number | null;
}

const QUEUE = 'two_factor_delivery';

/** @param table Its size is returned; the statements are always those on the queue. */
export async function costsOf(
  dataSource: DataSource,
  engine: EngineName,
  table = QUEUE,
): Promise<TableCosts> {
  if (engine !== 'postgres') {
    return { ...(await innodbSize(dataSource, table)), dueBuffers: null, claimBuffers: null };
  }
  const [size] = await dataSource.query<Record<string, string>[]>(
    `SELECT pg_table_size('${table}') AS data, pg_indexes_size('${table}') AS indexes`,
  );
  return {
    tableKb: Number(size!['data']) / 1_024,
    indexKb: Number(size!['indexes']) / 1_024,
    dueBuffers: await buffersOf(
      dataSource,
      [1, 0]
        .map(
          (isBound) => `SELECT * FROM (
            SELECT * FROM ${QUEUE} WHERE way = 'default' AND is_bound = ${isBound} AND due_at <= ${Date.now()}
            ORDER BY due_at LIMIT 64) AS class${isBound}`,
        )
        .join(' UNION ALL '),
    ),
    claimBuffers: await buffersOf(
      dataSource,
      // A failed message stands for one that is due: it is in the table for longer, so that there is always one.
      `UPDATE ${QUEUE} SET claims = claims + 1 WHERE (confirmation, number) =
         (SELECT confirmation, number FROM ${QUEUE} WHERE due_at IS NULL LIMIT 1) AND number > 0`,
    ),
  };
}

async function innodbSize(
  dataSource: DataSource,
  table: string,
): Promise<Pick<TableCosts, 'indexKb' | 'tableKb'>> {
  await dataSource.query(`ANALYZE TABLE ${table}`);
  const [size] = await dataSource.query<Record<string, string>[]>(
    `SELECT data_length AS data, index_length AS indexes FROM information_schema.tables
     WHERE table_schema = DATABASE() AND table_name = '${table}'`,
  );
  return { tableKb: Number(size!['data']) / 1_024, indexKb: Number(size!['indexes']) / 1_024 };
}

/** Of a statement whose effect is undone. */
async function buffersOf(dataSource: DataSource, sql: string): Promise<number> {
  const runner = dataSource.createQueryRunner();
  await runner.startTransaction();
  try {
    const [row]: { 'QUERY PLAN': { Plan: Record<string, number> }[] }[] = await runner.query(
      `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${sql}`,
    );
    const { Plan } = row!['QUERY PLAN'][0]!;
    return Plan['Shared Hit Blocks']! + Plan['Shared Read Blocks']!;
  } finally {
    await runner.rollbackTransaction();
    await runner.release();
  }
}
