// What one would write by hand with pg: the same guarantees, on our table of confirmations and a table of factors of its own.
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPublicKey,
  randomBytes,
  timingSafeEqual,
  verify,
} from 'node:crypto';

const KEY = randomBytes(32);
const ORIGIN = 'https://acme.example';
const RP_ID_HASH = createHash('sha256').update('acme.example').digest();
const STEP_MS = 30_000;
/** User present, and user verified. */
const VERIFIED = 0x05;

const PENDING = `confirmed_at IS NULL AND used_at IS NULL AND cancelled_at IS NULL AND attempts < max_attempts`;

const STATEMENTS = {
  read: `SELECT c.id, c.subject, c.methods, c.purpose, c.details_mac, f.id AS factor, f.data, f.counter, f.activated_at
    FROM two_factor_confirmation c JOIN floor_factor f ON f.subject = c.subject AND f.method = $2
    WHERE c.id = $1 AND f.activated_at <= c.created_at`,
  // Ten wrong responses in a row lock the app. It is counted before it is compared.
  failure: `INSERT INTO floor_failure AS own (id, amount, ends_at) VALUES ($1, 1, 0)
    ON CONFLICT (id) DO UPDATE SET amount = own.amount + 1, ends_at = CASE WHEN own.amount + 1 < 10 THEN 0
      ELSE $2::bigint + LEAST(30000::bigint << LEAST(own.amount + 1 - 10, 5), 900000) END
    WHERE own.amount < 100 AND own.ends_at <= $2::bigint RETURNING amount`,
  attempt: `UPDATE two_factor_confirmation SET attempts = attempts + 1
    WHERE id = $1 AND ${PENDING} AND expires_at > $2 AND methods LIKE $3 RETURNING id`,
  settle: `WITH locked AS MATERIALIZED (
      SELECT id FROM two_factor_confirmation
      WHERE id = $1 AND confirmed_at IS NULL AND cancelled_at IS NULL AND expires_at > $2 AND methods LIKE $6
        AND created_at >= $7 FOR NO KEY UPDATE),
    spent AS (UPDATE floor_factor f SET counter = $5, last_used_at = $2 FROM locked
      WHERE f.id = $4 AND f.counter < $5 AND f.activated_at = $7 RETURNING f.id)
    UPDATE two_factor_confirmation SET confirmed_at = $2, use_before = $2 + 300000, confirmed_by = $3, factor_id = spent.id
    FROM spent WHERE two_factor_confirmation.id = $1 RETURNING two_factor_confirmation.id`,
  forgive: `DELETE FROM floor_failure WHERE id = $1`,
};

/** @param {import('pg').Pool} pool */
export function floorOn(pool) {
  const run = (name, values) => pool.query({ name, text: STATEMENTS[name], values });

  async function settle(row, method, counter, now) {
    const values = [row.id, now, method, row.factor, counter, `%,${method},%`, row.activated_at];
    return (await run('settle', values)).rowCount === 1;
  }

  return {
    async createTables() {
      await pool.query(`CREATE TABLE floor_factor (id varchar(36) PRIMARY KEY, subject varchar(1025), method varchar(16),
        data text, counter bigint, activated_at bigint, last_used_at bigint)`);
      await pool.query('CREATE INDEX ON floor_factor (subject)');
      await pool.query(
        'CREATE TABLE floor_failure (id varchar(64) PRIMARY KEY, amount int, ends_at bigint)',
      );
    },
    async enrol(subject, method, data, now) {
      const id = randomBytes(18).toString('hex');
      const stored = method === 'totp' ? seal(data, id + subject) : JSON.stringify(data);
      await pool.query('INSERT INTO floor_factor VALUES ($1, $2, $3, $4, 0, $5, NULL)', [
        id,
        subject,
        method,
        stored,
        now,
      ]);
    },
    async confirmByApp(id, code, now) {
      const { rows } = await run('read', [id, 'totp']);
      const [row] = rows;
      if (row === undefined) return false;
      const counted = createHmac('sha256', KEY).update(`totp ${row.subject}`).digest('hex');
      if ((await run('failure', [counted, now])).rowCount === 0) return false;
      if ((await run('attempt', [id, now, '%,totp,%'])).rowCount === 0) return false;
      const secret = open(row.data, row.factor + row.subject);
      const step = [0, -1, 1]
        .map((offset) => Math.floor(now / STEP_MS) + offset)
        .find((each) => each > Number(row.counter) && isEqual(codeOf(secret, each), code));
      if (step === undefined || !(await settle(row, 'totp', step, now))) return false;
      await run('forgive', [counted]);
      return true;
    },
    async challenge(id) {
      const { rows } = await run('read', [id, 'passkey']);
      return challengeOf(rows[0]);
    },
    async confirmByPasskey(id, { response }, now) {
      const { rows } = await run('read', [id, 'passkey']);
      const [row] = rows;
      if (row === undefined) return false;
      const client = Buffer.from(response.clientDataJSON, 'base64url');
      const data = Buffer.from(response.authenticatorData, 'base64url');
      const { type, challenge, origin, crossOrigin } = JSON.parse(client.toString());
      const { key, isBackupEligible } = JSON.parse(row.data);
      const isMeant =
        type === 'webauthn.get' &&
        isEqual(challenge, challengeOf(row)) &&
        origin === ORIGIN &&
        crossOrigin !== true &&
        data.subarray(0, 32).equals(RP_ID_HASH) &&
        (data[32] & VERIFIED) === VERIFIED &&
        ((data[32] & 0x08) !== 0) === isBackupEligible;
      if (!isMeant) return false;
      const signed = Buffer.concat([data, createHash('sha256').update(client).digest()]);
      const publicKey = createPublicKey({ key, format: 'jwk' });
      if (!verify('sha256', signed, publicKey, Buffer.from(response.signature, 'base64url')))
        return false;
      return settle(row, 'passkey', data.readUInt32BE(33), now);
    },
  };
}

function challengeOf({ id, purpose, subject, methods, details_mac: details }) {
  return createHmac('sha256', KEY)
    .update(JSON.stringify([id, purpose, subject, methods, details]))
    .digest('base64url');
}

function codeOf(secret, step) {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const hash = createHmac('sha1', secret).update(counter).digest();
  const at = hash[19] & 15;
  return String((hash.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

function isEqual(one, other) {
  const [left, right] = [Buffer.from(one), Buffer.from(other)];
  return left.length === right.length && timingSafeEqual(left, right);
}

function seal(secret, binding) {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', KEY, nonce).setAAD(Buffer.from(binding));
  const sealed = Buffer.concat([cipher.update(secret), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64url');
}

function open(stored, binding) {
  const bytes = Buffer.from(stored, 'base64url');
  const decipher = createDecipheriv('aes-256-gcm', KEY, bytes.subarray(0, 12))
    .setAAD(Buffer.from(binding))
    .setAuthTag(bytes.subarray(12, 28));
  return Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]);
}
