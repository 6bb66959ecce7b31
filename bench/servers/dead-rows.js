/** The first one was made ten days ago, and then ten a second: five million are dead for four days. */
const FIRST_AGE_MS = 864_000_000;
const MS_A_ROW = 100;

const ALPHABET = `'0123456789abcdefghijklmnopqrstuv'`;
/** 45 of the 48 bits of time; the next character carries the other three and two that are random. */
const TIME = Array.from(
  { length: 9 },
  (_, at) => `substr(${ALPHABET}, ((t >> ${43 - 5 * at}) & 31)::int + 1, 1)`,
).join(' || ');
const ID = `${TIME} || substr(${ALPHABET}, ((t & 7) << 2)::int + (random() * 3)::int + 1, 1)
  || left(md5(random()::text || n), 25) || '0'`;
const MAC = `'v1.AAAAAAAA.' || rpad(md5(n::text), 43, 'x')`;
const ENVELOPE = `'v1.AAAAAAAA.' || rpad(md5(n::text), 190, 'x')`;

/**
 * Makes the confirmations number `from` to `to`: confirmed, used and expired, with ids as the package draws them and
 * columns as long as real ones.
 */
export async function addDeadRows(postgres, database, from, to) {
  await postgres.queryIn(
    database,
    `INSERT INTO two_factor_confirmation (id, purpose, subject, details_mac, max_attempts, created_at, expires_at, way,
       code_mac, envelope, attempts, sends, last_sent_at, confirmed_at, use_before, used_at)
     SELECT ${ID}, 'pay', 'user-0123456789-' || n, ${MAC}, 5, t, t + 600000, '', ${MAC}, ${ENVELOPE}, 2, 1, t, t + 3000,
       t + 303000, t + 4000
     FROM (
       SELECT n, (extract(epoch FROM now()) * 1000)::bigint - ${FIRST_AGE_MS} + n::bigint * ${MS_A_ROW} AS t
       FROM generate_series(${from}::int, ${to}::int) AS n
     ) AS made`,
    // As autovacuum would have left it by then, so that none of this work falls to the next contender.
    'VACUUM (FREEZE, ANALYZE) two_factor_confirmation',
    'CHECKPOINT',
  );
}
