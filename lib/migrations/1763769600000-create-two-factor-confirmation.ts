import type { MigrationInterface, QueryRunner } from 'typeorm';

import { ConfirmationRecord } from '../confirmation/index.js';
import { createTable, dropTable, type ColumnDefinitions } from './create-table.js';

/** The table of version 0.1.0. Only the names come from the entity, so that later changes of the entity do not change it. */
const COLUMNS: ColumnDefinitions<ConfirmationRecord> = {
  id: { type: 'varchar', length: '36', isPrimary: true },
  purpose: { type: 'varchar', length: '64', default: "''" },
  subject: { type: 'varchar', length: '1025', default: "''" },
  details: { type: 'text', isNullable: true },
  detailsMac: { type: 'varchar', length: '64', default: "''" },
  meta: { type: 'text', isNullable: true },
  maxAttempts: { type: 'int' },
  createdAt: { type: 'bigint' },
  expiresAt: { type: 'bigint' },
  way: { type: 'varchar', length: '64', default: "''" },
  methods: { type: 'varchar', length: '64', isNullable: true },
  codeMac: { type: 'varchar', length: '64', isNullable: true },
  envelope: { type: 'text', isNullable: true },
  failureKeys: { type: 'text', isNullable: true },
  slotKeys: { type: 'text', isNullable: true },
  attempts: { type: 'int', default: '0' },
  sends: { type: 'int', default: '0' },
  lastSentAt: { type: 'bigint', isNullable: true },
  confirmedAt: { type: 'bigint', isNullable: true },
  confirmedBy: { type: 'varchar', length: '16', isNullable: true },
  factorId: { type: 'varchar', length: '36', isNullable: true },
  useBefore: { type: 'bigint', isNullable: true },
  usedAt: { type: 'bigint', isNullable: true },
  useKey: { type: 'varchar', length: '128', isNullable: true },
  cancelledAt: { type: 'bigint', isNullable: true },
};

export class CreateTwoFactorConfirmation1763769600000 implements MigrationInterface {
  name = 'CreateTwoFactorConfirmation1763769600000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await createTable(queryRunner, ConfirmationRecord, COLUMNS);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await dropTable(queryRunner, ConfirmationRecord);
  }
}
