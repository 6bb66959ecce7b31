import { Table, type MigrationInterface, type QueryRunner } from 'typeorm';

const TABLE = new Table({
  name: 'bank_factor_change',
  columns: [
    { name: 'id', type: 'varchar', length: '36', isPrimary: true },
    { name: 'user_id', type: 'varchar', length: '36' },
    { name: 'had_before', type: 'text' },
    { name: 'due_at', type: 'bigint' },
  ],
  foreignKeys: [
    { columnNames: ['user_id'], referencedTableName: 'bank_user', referencedColumnNames: ['id'] },
  ],
  indices: [{ columnNames: ['due_at'] }, { columnNames: ['user_id'] }],
});

/** The changes of apps, passkeys and recovery codes whose notice is not stored yet. */
export class WatchFactors1764100000000 implements MigrationInterface {
  name = 'WatchFactors1764100000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.createTable(TABLE.clone());
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.dropTable(TABLE.name);
  }
}
