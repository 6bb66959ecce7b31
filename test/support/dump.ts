import type { DataSource } from 'typeorm';

/** All rows of all tables of the application, in an order of their own. */
export async function dumpOf(dataSource: DataSource): Promise<Record<string, string[]>> {
  const dump: Record<string, string[]> = {};
  const runner = dataSource.createQueryRunner();
  try {
    for (const { tableName, tablePath } of dataSource.entityMetadatas) {
      // `autoLoadEntities` also knows the entities of the applications before this one, in the same process.
      if (!(await runner.hasTable(tablePath))) continue;
      const path = tablePath.split('.').map((part) => dataSource.driver.escape(part));
      const rows: unknown[] = await runner.query(`SELECT * FROM ${path.join('.')}`);
      dump[tableName] = rows.map((row) => JSON.stringify(row)).toSorted();
    }
  } finally {
    await runner.release();
  }
  return dump;
}
