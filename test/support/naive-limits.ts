import type { DataSource } from 'typeorm';

/**
 * A budget as most applications write it: read what is spent, compare, write one more. The control of the races over the
 * limits: it must let more through than it may.
 */
export class NaiveLimits {
  constructor(private readonly dataSource: DataSource) {}

  async install(): Promise<void> {
    await this.dataSource.query('CREATE TABLE naive_limit (name varchar(64), spent int)');
  }

  async spend(name: string, max: number): Promise<boolean> {
    const rows: { spent: number | string }[] = await this.dataSource.query(
      `SELECT spent FROM naive_limit WHERE name = '${name}'`,
    );
    const spent = rows[0] === undefined ? null : Number(rows[0].spent);
    if (spent !== null && spent >= max) return false;
    await this.dataSource.query(
      spent === null
        ? `INSERT INTO naive_limit VALUES ('${name}', 1)`
        : `UPDATE naive_limit SET spent = ${spent + 1} WHERE name = '${name}'`,
    );
    return true;
  }
}
