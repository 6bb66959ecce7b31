import { Pool } from 'pg';

import { newId } from '../../../lib/crypto/index.js';
import { PATTERN, POOL, TABLE } from './big-table.js';

type Row = Readonly<Record<string, string | number | null>>;

const INSERTED = [
  'id',
  'purpose',
  'subject',
  'details',
  'details_mac',
  'meta',
  'max_attempts',
  'created_at',
  'expires_at',
  'way',
  'code_mac',
  'envelope',
  'attempts',
  'sends',
];

export interface FloorInput {
  readonly table?: string;
  readonly id?: () => string;
}

/** The lower bound of the costs: prepared statements over `pg`, written by hand, for rows like those of the library. */
export class Floor {
  readonly #statements: Readonly<
    Record<'insert' | 'confirm' | 'use', { name: string; text: string }>
  >;

  private constructor(
    private readonly pool: Pool,
    private readonly row: Row,
    private readonly newId: () => string,
    table: string,
  ) {
    const named = (name: string, text: string): { name: string; text: string } => ({
      name: `${table}_${name}`,
      text,
    });
    this.#statements = {
      insert: named(
        'insert',
        `INSERT INTO ${table} (${INSERTED.join(', ')}) VALUES (${INSERTED.map((_, at) => `$${at + 1}`).join(', ')})`,
      ),
      confirm: named(
        'confirm',
        `UPDATE ${table} SET attempts = attempts + 1,
           confirmed_at = CASE WHEN code_mac = $2 THEN $3::bigint ELSE confirmed_at END,
           use_before = CASE WHEN code_mac = $2 THEN $3::bigint + 300000 ELSE use_before END
         WHERE id = $1 AND confirmed_at IS NULL AND cancelled_at IS NULL AND expires_at > $3 AND attempts < max_attempts
         RETURNING *`,
      ),
      use: named(
        'use',
        `UPDATE ${table} SET used_at = $2 WHERE id = $1 AND confirmed_at IS NOT NULL AND used_at IS NULL
           AND cancelled_at IS NULL AND use_before > $2`,
      ),
    };
  }

  static async open(
    url: string,
    { table = TABLE, id = (): string => newId(Date.now()) }: FloorInput = {},
  ): Promise<Floor> {
    const pool = new Pool({ connectionString: url, max: POOL });
    const { rows } = await pool.query<Row>(`SELECT * FROM ${PATTERN}`);
    return new Floor(pool, rows[0]!, id, table);
  }

  /** Make, a wrong code, the right code, use. */
  async cycle(): Promise<void> {
    const { pool, row } = this;
    const { insert, confirm, use } = this.#statements;
    const id = this.newId();
    const now = Date.now();
    const made: Row = { ...row, id, created_at: now, expires_at: now + 600_000, attempts: 0 };
    await pool.query({ ...insert, values: INSERTED.map((name) => made[name]) });
    const right = String(row['code_mac']);
    await pool.query({ ...confirm, values: [id, `${right.slice(0, -1)}!`, now] });
    await pool.query({ ...confirm, values: [id, right, now] });
    const { rowCount } = await pool.query({ ...use, values: [id, now] });
    if (rowCount !== 1) throw new Error('The floor did not hold.');
  }

  async close(): Promise<void> {
    await this.pool.end();
  }
}
