import { Pool } from 'pg';

import { POOL_SIZE, PURPOSE } from './contender.js';
import { COLUMNS, newRow, outcomeOf, USE_WITHIN_MS } from './floor-row.js';
import { codeMac, detailsMac } from './sealing.js';

const INSERT = `
  INSERT INTO two_factor_confirmation (${COLUMNS})
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0)`;
const CONFIRM = `
  UPDATE two_factor_confirmation SET attempts = attempts + 1,
    confirmed_at = CASE WHEN code_mac = $2 THEN $3::bigint ELSE confirmed_at END,
    use_before = CASE WHEN code_mac = $2 THEN $4::bigint ELSE use_before END
  WHERE id = $1 AND subject = $5 AND confirmed_at IS NULL AND cancelled_at IS NULL AND expires_at > $3 AND attempts < max_attempts
  RETURNING attempts, max_attempts, confirmed_at`;
const USE = `
  UPDATE two_factor_confirmation SET used_at = $5
  WHERE id = $1 AND purpose = $2 AND subject = $3 AND details_mac = $4 AND confirmed_at IS NOT NULL
    AND used_at IS NULL AND cancelled_at IS NULL AND use_before > $5`;

/**
 * The floor: `pg`, and one prepared statement for each step, on the table of the package with its MACs and envelopes.
 * No implementation that keeps these promises can do with less.
 *
 * @returns {Promise<import('./contender.js').Contender & { pool: Pool }>}
 */
export async function open({ url }) {
  const pool = new Pool({ connectionString: url, max: POOL_SIZE });
  return {
    pool,
    make: (person) => insert(pool, person),
    confirm: async (made, code) => (await confirm(pool, made, code)).isConfirmed,
    use: (made) => use(pool, made),
    close: () => pool.end(),
  };
}

/** @param {string} [id] drawn if it is not given */
export async function insert(pool, person, id) {
  const { made, values } = newRow(person, id);
  await pool.query({ name: 'insert', text: INSERT, values });
  return made;
}

export async function confirm(pool, { id, subject }, code) {
  const now = Date.now();
  const values = [id, codeMac(id, code), now, now + USE_WITHIN_MS, subject];
  const { rows } = await pool.query({ name: 'confirm', text: CONFIRM, values });
  return outcomeOf(rows[0], now);
}

export async function use(pool, { id, subject }) {
  const values = [id, PURPOSE, subject, detailsMac(id), Date.now()];
  const { rowCount } = await pool.query({ name: 'use', text: USE, values });
  return rowCount === 1;
}
