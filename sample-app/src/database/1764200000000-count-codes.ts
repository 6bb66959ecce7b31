import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The codes that each session has asked for. */
export class CountCodes1764200000000 implements MigrationInterface {
  name = 'CountCodes1764200000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('ALTER TABLE bank_session ADD COLUMN codes int NOT NULL DEFAULT 0');
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('ALTER TABLE bank_session DROP COLUMN codes');
  }
}
