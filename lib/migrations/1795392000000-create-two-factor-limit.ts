import type { MigrationInterface, QueryRunner } from 'typeorm';

import { LimitRecord } from '../limits/index.js';
import { createTable, dropTable, type ColumnDefinitions } from './create-table.js';

/** The table of version 0.1.0. Only its name comes from the entity, so that later changes of the entity do not change it. */
const COLUMNS: ColumnDefinitions = {
  id: { name: 'id', type: 'varchar', length: '32', isPrimary: true },
  kind: { name: 'kind', type: 'varchar', length: '8' },
  amount: { name: 'amount', type: 'int' },
  maxAmount: { name: 'allowed', type: 'int' },
  endsAt: { name: 'ends_at', type: 'bigint' },
  owner: { name: 'owner', type: 'varchar', length: '32', default: "''" },
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
