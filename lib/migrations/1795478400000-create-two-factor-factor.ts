import type { MigrationInterface, QueryRunner } from 'typeorm';

import { FactorRecord } from '../methods/index.js';
import { createTable, dropTable, type ColumnDefinitions } from './create-table.js';

/** The table of version 0.1.0. Only its name comes from the entity, so that later changes of the entity do not change it. */
const COLUMNS: ColumnDefinitions = {
  id: { name: 'id', type: 'varchar', length: '36', isPrimary: true },
  application: { name: 'application', type: 'varchar', length: '64', default: "''" },
  subjectKey: { name: 'subject_key', type: 'varchar', length: '64' },
  subject: { name: 'subject', type: 'varchar', length: '1025' },
  method: { name: 'method', type: 'varchar', length: '16' },
  label: { name: 'label', type: 'varchar', length: '512', default: "''" },
  handle: { name: 'handle', type: 'varchar', length: '64', isNullable: true },
  data: { name: 'data', type: 'text', isNullable: true },
  counter: { name: 'counter', type: 'bigint', default: '0' },
  createdAt: { name: 'created_at', type: 'bigint' },
  activatedAt: { name: 'activated_at', type: 'bigint', isNullable: true },
  lastUsedAt: { name: 'last_used_at', type: 'bigint', isNullable: true },
  expiresAt: { name: 'expires_at', type: 'bigint', isNullable: true },
};

/** Creates the table of the factors in every database, so that an application can configure methods later. */
export class CreateTwoFactorFactor1795478400000 implements MigrationInterface {
  name = 'CreateTwoFactorFactor1795478400000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await createTable(queryRunner, FactorRecord, COLUMNS, [
      { properties: ['subjectKey'], isUnique: false },
      { properties: ['handle'], isUnique: true },
    ]);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await dropTable(queryRunner, FactorRecord);
  }
}
