import { Table, TableForeignKey, type MigrationInterface, type QueryRunner } from 'typeorm';

const OWNER = (column: string): TableForeignKey =>
  new TableForeignKey({
    columnNames: [column],
    referencedTableName: 'bank_user',
    referencedColumnNames: ['id'],
  });

const TABLES = [
  new Table({
    name: 'bank_user',
    columns: [
      { name: 'id', type: 'varchar', length: '36', isPrimary: true },
      { name: 'email', type: 'varchar', length: '70', isUnique: true },
      { name: 'phone', type: 'varchar', length: '16', isNullable: true },
      { name: 'password_hash', type: 'varchar', length: '255' },
      { name: 'balance_cents', type: 'bigint' },
    ],
  }),
  new Table({
    name: 'bank_first_step',
    columns: [
      { name: 'token_hash', type: 'varchar', length: '64', isPrimary: true },
      { name: 'user_id', type: 'varchar', length: '36' },
      { name: 'expires_at', type: 'bigint' },
    ],
    foreignKeys: [OWNER('user_id')],
    indices: [{ columnNames: ['user_id'] }],
  }),
  new Table({
    name: 'bank_session',
    columns: [
      { name: 'token_hash', type: 'varchar', length: '64', isPrimary: true },
      { name: 'id', type: 'varchar', length: '36', isUnique: true },
      { name: 'user_id', type: 'varchar', length: '36' },
      { name: 'device', type: 'varchar', length: '120' },
      { name: 'created_at', type: 'bigint' },
      { name: 'last_used_at', type: 'bigint' },
      { name: 'expires_at', type: 'bigint' },
    ],
    foreignKeys: [OWNER('user_id')],
    indices: [{ columnNames: ['user_id'] }],
  }),
  new Table({
    name: 'bank_failure_count',
    columns: [
      { name: 'key', type: 'varchar', length: '64', isPrimary: true },
      { name: 'failures', type: 'int' },
      { name: 'ends_at', type: 'bigint' },
    ],
  }),
  new Table({
    name: 'bank_notice',
    columns: [
      { name: 'id', type: 'varchar', length: '36', isPrimary: true },
      { name: 'kind', type: 'varchar', length: '8' },
      { name: 'recipient', type: 'varchar', length: '70' },
      { name: 'subject', type: 'varchar', length: '120' },
      { name: 'text', type: 'varchar', length: '1000' },
      { name: 'attempts', type: 'int' },
      { name: 'created_at', type: 'bigint' },
      { name: 'due_at', type: 'bigint' },
    ],
    indices: [{ columnNames: ['due_at'] }],
  }),
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
];

/** The tables of the bank, and Bob, whom every customer may pay. */
export class CreateBank1764000000000 implements MigrationInterface {
  name = 'CreateBank1764000000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    for (const table of TABLES) await queryRunner.createTable(table.clone());
    // No password has an empty hash, so that Bob's account only receives.
    await queryRunner.query(
      'INSERT INTO bank_user (id, email, password_hash, balance_cents) ' +
        "VALUES ('00000000-0000-4000-8000-000000000b0b', 'bob@bank.example', '', 0)",
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    for (const { name } of TABLES.toReversed()) await queryRunner.dropTable(name);
  }
}
