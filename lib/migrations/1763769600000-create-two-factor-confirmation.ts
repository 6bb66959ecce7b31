import type { MigrationInterface, QueryRunner } from 'typeorm';

import { ConfirmationRecord } from '../confirmation/index.js';
import { createTable, dropTable, type ColumnDefinitions } from './create-table.js';

/** The table of version 0.1.0. Only its name comes from the entity, so that later changes of the entity do not change it. */
const COLUMNS: ColumnDefinitions = {
  id: { name: 'id', type: 'varchar', length: '36', isPrimary: true },
  purpose: { name: 'purpose', type: 'varchar', length: '64', default: "''" },
  subject: { name: 'subject', type: 'varchar', length: '1025', default: "''" },
  details: { name: 'details', type: 'text', isNullable: true },
  detailsMac: { name: 'details_mac', type: 'varchar', length: '64', default: "''" },
  meta: { name: 'meta', type: 'text', isNullable: true },
  maxAttempts: { name: 'max_attempts', type: 'int' },
  createdAt: { name: 'created_at', type: 'bigint' },
  expiresAt: { name: 'expires_at', type: 'bigint' },
  way: { name: 'way', type: 'varchar', length: '64', default: "''" },
  methods: { name: 'methods', type: 'varchar', length: '64', isNullable: true },
  codeMac: { name: 'code_mac', type: 'varchar', length: '64', isNullable: true },
  envelope: { name: 'envelope', type: 'text', isNullable: true },
  failureKeys: { name: 'failure_keys', type: 'text', isNullable: true },
  slotKeys: { name: 'slot_keys', type: 'text', isNullable: true },
  attempts: { name: 'attempts', type: 'int', default: '0' },
  sends: { name: 'sends', type: 'int', default: '0' },
  lastSentAt: { name: 'last_sent_at', type: 'bigint', isNullable: true },
  confirmedAt: { name: 'confirmed_at', type: 'bigint', isNullable: true },
  confirmedBy: { name: 'confirmed_by', type: 'varchar', length: '16', isNullable: true },
  factorId: { name: 'factor_id', type: 'varchar', length: '36', isNullable: true },
  useBefore: { name: 'use_before', type: 'bigint', isNullable: true },
  usedAt: { name: 'used_at', type: 'bigint', isNullable: true },
  useKey: { name: 'use_key', type: 'varchar', length: '128', isNullable: true },
  cancelledAt: { name: 'cancelled_at', type: 'bigint', isNullable: true },
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
