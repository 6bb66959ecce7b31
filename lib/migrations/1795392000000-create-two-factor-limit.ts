import {
  Table,
  type ColumnType,
  type MigrationInterface,
  type QueryRunner,
  type TableColumnOptions,
} from 'typeorm';

import { assertEntity, dataSourceOf, engineOf } from '../database/index.js';
import { LimitRecord } from '../limits/index.js';

type Property = keyof LimitRecord;

/** Room on each page: a budget is updated often, and in no index. */
const FILL_FACTOR = 70;

/** The table as of 0.1.0. Frozen: only its names are looked up, everything else is written here. */
const COLUMNS: Readonly<Record<Property, Omit<TableColumnOptions, 'name'>>> = {
  id: { type: 'varchar', length: '32', isPrimary: true },
  kind: { type: 'varchar', length: '8' },
  amount: { type: 'int' },
  allowed: { type: 'int' },
  endsAt: { type: 'bigint' },
  holder: { type: 'varchar', length: '32', default: "''" },
};

export class CreateTwoFactorLimit1795392000000 implements MigrationInterface {
  name = 'CreateTwoFactorLimit1795392000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    const dataSource = dataSourceOf(queryRunner);
    assertEntity(dataSource, LimitRecord);
    const { tablePath, columns } = dataSource.getMetadata(LimitRecord);
    const nameOf = new Map(columns.map((column) => [column.propertyName, column.databaseName]));
    await queryRunner.createTable(
      new Table({
        name: tablePath,
        columns: Object.entries(COLUMNS).map(([property, column]) => ({
          ...column,
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
    await queryRunner.dropTable(dataSourceOf(queryRunner).getMetadata(LimitRecord).tablePath);
  }
}
