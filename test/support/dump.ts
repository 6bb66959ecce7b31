import type { DataSource } from 'typeorm';

/** All rows of all tables of the application, in an order of their own. */
export async function dumpOf(dataSource: DataSource): Promise<Record<string, string[]>> {
  const dump: Record<string, string[]> = {};
  for (const { tableName, tablePath } of dataSource.entityMetadatas) {
    const rows: unknown[] = await dataSource.query(
      `SELECT * FROM ${tablePath.split('.').map(dataSource.driver.escape.bind(dataSource.driver)).join('.')}`,
    );
    dump[tableName] = rows.map((row) => JSON.stringify(row)).toSorted();
  }
  return dump;
}
