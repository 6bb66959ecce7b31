import { createHash, randomBytes } from 'node:crypto';

import { PURPOSE } from './contender.js';
import { insert, open as openFloor, use } from './floor.js';
import { outcomeOf, TTL_MS, USE_WITHIN_MS } from './floor-row.js';
import { codeMac, limitKey, newId, open as openEnvelope } from './sealing.js';

const STOP_AT = 100;

const FIND = 'SELECT * FROM two_factor_confirmation WHERE id = $1';

/** Ends failures and place together with the right code. */
const CONFIRM = `
  WITH confirmed AS (
    UPDATE two_factor_confirmation SET attempts = attempts + 1,
      confirmed_at = CASE WHEN code_mac = $2 THEN $3::bigint ELSE confirmed_at END,
      use_before = CASE WHEN code_mac = $2 THEN $4::bigint ELSE use_before END
    WHERE id = $1 AND confirmed_at IS NULL AND cancelled_at IS NULL AND expires_at > $3 AND attempts < max_attempts
    RETURNING attempts, max_attempts, confirmed_at
  ), done AS (
    UPDATE two_factor_limit SET ends_at = 0, amount = 0 WHERE id IN (
      SELECT id FROM two_factor_limit
      WHERE EXISTS (SELECT 1 FROM confirmed WHERE confirmed_at = $3)
        AND id IN (SELECT key FROM unnest($5::varchar[]) AS key WHERE key = key || '')
        AND (kind = 'failures' OR substr(owner, 1, 16) = $6)
      ORDER BY id FOR UPDATE)
  )
  SELECT * FROM confirmed`;

/**
 * The floor, and the statements that the package's default limits add: a place is taken before a confirmation is made
 * without a message, a failure of the subject and its token is charged before a code is compared, and a right code gives
 * them back.
 *
 * @returns {Promise<import('./contender.js').Contender>}
 */
export async function open(options) {
  const { pool, close } = await openFloor(options);
  const charge = async (name, text, keys, more) => {
    const owner = more + randomBytes(8).toString('hex');
    const values = [...keys, Date.now(), owner];
    const { rowCount } = await pool.query({ name, text, values });
    return rowCount;
  };
  return {
    make: async (person) => {
      const { token, subject } = person;
      const id = newId(Date.now());
      const keys = [failureKey(token, subject), placeKey(subject)];
      if ((await charge('request', CHARGE_REQUEST, keys, ownerOf(id))) !== 1) {
        throw new Error('A limit was reached.');
      }
      return insert(pool, person, id);
    },
    confirm: async ({ id }, code) => {
      const { rows } = await pool.query({ name: 'find', text: FIND, values: [id] });
      const [{ subject, envelope }] = rows;
      const { token } = openEnvelope(envelope, id, PURPOSE, subject);
      const failures = failureKey(token, subject);
      const charged = await charge('failures', CHARGE_FAILURE, [failures], '0'.repeat(16));
      if (charged !== 1) throw new Error('A limit was reached.');
      const now = Date.now();
      const ended = `{${failures},${placeKey(subject)}}`;
      const values = [id, codeMac(id, code), now, now + USE_WITHIN_MS, ended, ownerOf(id)];
      const confirmed = await pool.query({ name: 'confirm', text: CONFIRM, values });
      return outcomeOf(confirmed.rows[0], now).isConfirmed;
    },
    use: (made) => use(pool, made),
    close,
  };
}

function failureKey(token, subject) {
  return limitKey('failures', 'bound', subject, token);
}

function placeKey(subject) {
  return limitKey('pending', 'bound', PURPOSE, 'subject', subject, '0');
}

function ownerOf(id) {
  return createHash('sha256').update(id).digest('hex').slice(0, 16);
}

/**
 * Charges all of its budgets or none. A row of `wanted` is a key's placeholder, its kind, what to charge, what is
 * allowed, and when its window ends; 10 failures lock for 30 s, each one more for twice as long, up to 15 minutes. The condition
 * that is always true makes the planner expect one row, and take the index also where the table is still small.
 */
function chargeSql(wanted, now, owner) {
  const lasts = (row, end) =>
    `(${row}.ends_at > ${now} AND ${row}.ends_at <= CASE WHEN ${row}.kind = 'failures' THEN ${now} + 900000
      ELSE ${end} END + 86400000)`;
  const isSpent = (row, allowed, end) =>
    `(CASE WHEN ${row}.kind = 'failures' THEN ${row}.amount >= ${allowed} OR ${lasts(row, end)}
      ELSE ${row}.amount >= ${allowed} AND ${lasts(row, end)} END)`;
  return `
    WITH given (id, kind, amount, allowed, ends_at) AS (VALUES ${wanted.join(', ')}),
    wanted AS (SELECT * FROM given WHERE id = id || '')
    INSERT INTO two_factor_limit AS own (id, kind, amount, allowed, ends_at, owner)
    SELECT id, kind, amount, allowed, ends_at, ${owner} FROM wanted
    WHERE amount > 0 AND NOT EXISTS (
      SELECT 1 FROM two_factor_limit AS seen JOIN wanted AS rule ON rule.id = seen.id
      WHERE ${isSpent('seen', 'rule.allowed', 'rule.ends_at')})
    ORDER BY id
    ON CONFLICT (id) DO UPDATE SET
      amount = CASE WHEN own.kind = 'failures' OR ${lasts('own', 'excluded.ends_at')} THEN own.amount + 1 ELSE 1 END,
      ends_at = CASE
        WHEN own.kind = 'failures' AND own.amount + 1 < 10 THEN ${now}
        WHEN own.kind = 'failures' THEN ${now} + LEAST(30000::bigint << LEAST(own.amount + 1 - 10, 5), 900000)
        WHEN ${lasts('own', 'excluded.ends_at')} THEN own.ends_at ELSE excluded.ends_at END,
      allowed = excluded.allowed, owner = excluded.owner
    WHERE NOT ${isSpent('own', 'excluded.allowed', 'excluded.ends_at')}
    RETURNING id, amount, ends_at`;
}

const CHARGE_REQUEST = chargeSql(
  [`($1::varchar, 'failures', 0, ${STOP_AT}, $3::bigint)`, `($2, 'window', 1, 1, $3 + ${TTL_MS})`],
  '$3::bigint',
  '$4::varchar',
);
const CHARGE_FAILURE = chargeSql(
  [`($1::varchar, 'failures', 1, ${STOP_AT}, $2::bigint)`],
  '$2::bigint',
  '$3::varchar',
);
