// First, so that it counts from the beginning.
import '../measure/count-mysql-statements.js';
import { createPool } from 'mysql2';

import { POOL_SIZE, PURPOSE } from './contender.js';
import { COLUMNS, newRow, outcomeOf, USE_WITHIN_MS } from './floor-row.js';
import { codeMac, detailsMac } from './sealing.js';

const INSERT = `
  INSERT INTO two_factor_confirmation (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)`;
// BINARY, because MariaDB's `=` takes `LOGIN ` for `login`.
const CONFIRM = `
  UPDATE two_factor_confirmation SET attempts = attempts + 1,
    confirmed_at = CASE WHEN code_mac = BINARY ? THEN ? ELSE confirmed_at END,
    use_before = CASE WHEN code_mac = BINARY ? THEN ? ELSE use_before END
  WHERE id = ? AND subject = BINARY ? AND confirmed_at IS NULL AND cancelled_at IS NULL AND expires_at > ?
    AND attempts < max_attempts`;
const READ =
  'SELECT attempts, max_attempts, confirmed_at FROM two_factor_confirmation WHERE id = ?';
const USE = `
  UPDATE two_factor_confirmation SET used_at = ?
  WHERE id = ? AND purpose = BINARY ? AND subject = BINARY ? AND details_mac = BINARY ? AND confirmed_at IS NOT NULL
    AND used_at IS NULL AND cancelled_at IS NULL AND use_before > ?`;

/**
 * The floor on MariaDB: `mysql2`, and one prepared statement for each step, but two for a code, since UPDATE answers no rows
 * there. With callbacks: mysql2's own promises keep a stack for each statement.
 *
 * @returns {Promise<import('./contender.js').Contender>}
 */
export async function open({ url }) {
  const pool = createPool({ uri: url, connectionLimit: POOL_SIZE });
  const execute = (sql, values) =>
    new Promise((resolve, reject) => {
      pool.execute(sql, values, (error, result) => (error ? reject(error) : resolve(result)));
    });
  return {
    make: async (person) => {
      const { made, values } = newRow(person);
      await execute(INSERT, values);
      return made;
    },
    confirm: async ({ id, subject }, code) => {
      const now = Date.now();
      const mac = codeMac(id, code);
      const values = [mac, now, mac, now + USE_WITHIN_MS, id, subject, now];
      const { affectedRows } = await execute(CONFIRM, values);
      const rows = affectedRows === 1 ? await execute(READ, [id]) : [];
      return outcomeOf(rows[0], now).isConfirmed;
    },
    use: async ({ id, subject }) => {
      const now = Date.now();
      const { affectedRows } = await execute(USE, [now, id, PURPOSE, subject, detailsMac(id), now]);
      return affectedRows === 1;
    },
    close: () => new Promise((resolve) => pool.end(resolve)),
  };
}
