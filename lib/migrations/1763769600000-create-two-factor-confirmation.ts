import {
  Table,
  type ColumnType,
  type MigrationInterface,
  type QueryRunner,
  type TableColumnOptions,
} from 'typeorm';

import { ConfirmationRecord } from '../confirmation/index.js';
import { assertEntity, dataSourceOf, engineOf } from '../database/index.js';

type Property = keyof ConfirmationRecord;

/** Room on each page for the updates of its rows, so that none of them has to touch the index. */
const FILL_FACTOR = 70;

/** The table as of 0.1.0. Frozen: only its names are looked up, everything else is written here. */
const COLUMNS: Readonly<Record<Property, Omit<TableColumnOptions, 'name'>>> = {
  id: { type: 'varchar', length: '36', isPrimary: true },
  purpose: { type: 'varchar', length: '64', default: "''" },
  subject: { type: 'varchar', length: '255', default: "''" },
  details: { type: 'text', isNullable: true },
  detailsMac: { type: 'varchar', length: '64', default: "''" },
  meta: { type: 'text', isNullable: true },
  maxAttempts: { type: 'int' },
  createdAt: { type: 'bigint' },
  expiresAt: { type: 'bigint' },
  way: { type: 'varchar', length: '64', default: "''" },
  codeMac: { type: 'varchar', length: '64', isNullable: true },
  envelope: { type: 'text', isNullable: true },
  attempts: { type: 'int', default: '0' },
  sends: { type: 'int', default: '0' },
  lastSentAt: { type: 'bigint', isNullable: true },
  confirmedAt: { type: 'bigint', isNullable: true },
  useBefore: { type: 'bigint', isNullable: true },
  usedAt: { type: 'bigint', isNullable: true },
  useKey: { type: 'varchar', length: '128', isNullable: true },
  cancelledAt: { type: 'bigint', isNullable: true },
};

export class CreateTwoFactorConfirmation1763769600000 implements MigrationInterface {
  name = 'CreateTwoFactorConfirmation1763769600000';

  async up(queryRunner: QueryRunner): Promise<void> {
    const dataSource = dataSourceOf(queryRunner);
    assertEntity(dataSource, ConfirmationRecord);
    const { tablePath, columns } = dataSource.getMetadata(ConfirmationRecord);
    const nameOf = new Map(columns.map((column) => [column.propertyName, column.databaseName]));
    await queryRunner.createTable(
      new Table({
        name: tablePath,
        columns: Object.entries(COLUMNS).map(([property, column]) => ({
          ...column,
          // `int` is `integer` on PostgreSQL and SQLite.
          type: dataSource.driver.normalizeType({ type: column.type as ColumnType }),
          name: nameOf.get(property) ?? property,
        })),
      }),
    );
    if (engineOf(dataSource) === 'postgres') {
      const table = tablePath.split('.').map((name) => dataSource.driver.escape(name));
      await queryRunner.query(`ALTER TABLE ${table.join('.')} SET (fillfactor = ${FILL_FACTOR})`);
    }
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.dropTable(
      dataSourceOf(queryRunner).getMetadata(ConfirmationRecord).tablePath,
    );
  }
}
