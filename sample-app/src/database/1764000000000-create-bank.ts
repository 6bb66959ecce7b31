import { Table, TableForeignKey, type MigrationInterface, type QueryRunner } from 'typeorm';

const OWNER = (column: string): TableForeignKey =>
  new TableForeignKey({
    columnNames: [column],
    referencedTableName: 'bank_user',
    referencedColumnNames: ['id'],
  });

/** The tables of the bank, and Bob, whom everybody may pay. */
export class CreateBank1764000000000 implements MigrationInterface {
  name = 'CreateBank1764000000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.createTable(
      new Table({
        name: 'bank_user',
        columns: [
          { name: 'id', type: 'varchar', length: '36', isPrimary: true },
          { name: 'email', type: 'varchar', length: '254', isUnique: true },
          { name: 'phone', type: 'varchar', length: '16', isNullable: true },
          { name: 'password_hash', type: 'varchar', length: '255' },
          { name: 'balance_cents', type: 'bigint' },
        ],
      }),
    );
    await queryRunner.createTable(
      new Table({
        name: 'bank_session',
        columns: [
          { name: 'token_hash', type: 'varchar', length: '64', isPrimary: true },
          { name: 'user_id', type: 'varchar', length: '36' },
          { name: 'expires_at', type: 'bigint' },
        ],
        foreignKeys: [OWNER('user_id')],
      }),
    );
    await queryRunner.createTable(
      new Table({
        name: 'bank_transfer',
        columns: [
          { name: 'id', type: 'varchar', length: '36', isPrimary: true },
          { name: 'confirmation_id', type: 'varchar', length: '36', isUnique: true },
          { name: 'payer_id', type: 'varchar', length: '36' },
          { name: 'payee_id', type: 'varchar', length: '36' },
          { name: 'amount_cents', type: 'bigint' },
          { name: 'created_at', type: 'bigint' },
        ],
        foreignKeys: [OWNER('payer_id'), OWNER('payee_id')],
        indices: [{ columnNames: ['payer_id'] }, { columnNames: ['payee_id'] }],
      }),
    );
    // No password has an empty hash: Bob only receives.
    await queryRunner.query(
      'INSERT INTO bank_user (id, email, password_hash, balance_cents) ' +
        "VALUES ('00000000-0000-4000-8000-000000000b0b', 'bob@bank.example', '', 0)",
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.dropTable('bank_transfer');
    await queryRunner.dropTable('bank_session');
    await queryRunner.dropTable('bank_user');
  }
}
