import type { MigrationInterface, QueryRunner } from 'typeorm';

import { LimitRecord } from '../limits/index.js';
import { createTable, dropTable, type ColumnDefinitions } from './create-table.js';

/** The table of version 0.1.0. Only the names come from the entity, so that later changes of the entity do not change it. */
const COLUMNS: ColumnDefinitions<LimitRecord> = {
  id: { type: 'varchar', length: '32', isPrimary: true },
  kind: { type: 'varchar', length: '8' },
  amount: { type: 'int' },
  maxAmount: { type: 'int' },
  endsAt: { type: 'bigint' },
  owner: { type: 'varchar', length: '32', default: "''" },
};

export class CreateTwoFactorLimit1795392000000 implements MigrationInterface {
  name = 'CreateTwoFactorLimit1795392000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await createTable(queryRunner, LimitRecord, COLUMNS);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await dropTable(queryRunner, LimitRecord);
  }
}
