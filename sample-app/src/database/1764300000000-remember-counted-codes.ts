import { Table, type MigrationInterface, type QueryRunner } from 'typeorm';

const TABLE = new Table({
  name: 'bank_counted_code',
  columns: [
    { name: 'request', type: 'varchar', length: '64', isPrimary: true },
    { name: 'expires_at', type: 'bigint' },
  ],
});

/** The requests whose code is counted already. */
export class RememberCountedCodes1764300000000 implements MigrationInterface {
  name = 'RememberCountedCodes1764300000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.createTable(TABLE.clone());
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.dropTable(TABLE.name);
  }
}
