import type { MigrationInterface, QueryRunner } from 'typeorm';

import { DeliveryRecord } from '../delivery/index.js';
import { createTable, dropTable, type ColumnDefinitions } from './create-table.js';

/** The table of version 0.1.0. Only its name comes from the entity, so that later changes of the entity do not change it. */
const COLUMNS: ColumnDefinitions = {
  confirmation: { name: 'confirmation', type: 'varchar', length: '36', isPrimary: true },
  number: { name: 'number', type: 'int', isPrimary: true },
  way: { name: 'way', type: 'varchar', length: '64' },
  isBound: { name: 'is_bound', type: 'int', default: '0' },
  dueAt: { name: 'due_at', type: 'bigint', isNullable: true },
  claims: { name: 'claims', type: 'int', default: '0' },
  tries: { name: 'tries', type: 'int', default: '0' },
  isCharged: { name: 'is_charged', type: 'int', default: '0' },
  failedAt: { name: 'failed_at', type: 'bigint', isNullable: true },
  reason: { name: 'reason', type: 'varchar', length: '32', isNullable: true },
};

/** Creates the table of the queued messages in every database, so that an application can queue its messages later. */
export class CreateTwoFactorDelivery1795564800000 implements MigrationInterface {
  name = 'CreateTwoFactorDelivery1795564800000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await createTable(queryRunner, DeliveryRecord, COLUMNS, [
      { properties: ['way', 'isBound', 'dueAt'], isUnique: false },
    ]);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await dropTable(queryRunner, DeliveryRecord);
  }
}
