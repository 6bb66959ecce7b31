import { confirm, insert, open, use } from '../contenders/floor.js';
import { PURPOSE } from '../contenders/contender.js';

const BIND = `
  UPDATE two_factor_confirmation SET sends = sends + 1, last_sent_at = $2 WHERE id = $1 AND sends < 5
  RETURNING sends, last_sent_at`;
const FIND = 'SELECT * FROM two_factor_confirmation WHERE id = $1';

/**
 * The steps of a cycle for servers that are written by hand: four statements. With `looks`, also those three that our
 * controller adds: the message is charged apart from the row, and each confirmation is looked at before its code is
 * compared, because it might be somebody else's.
 *
 * @param {{ url: string, looks?: boolean }} options
 */
export async function openSteps({ url, looks = false }) {
  const { pool, close } = await open({ url });
  const find = async (id) => {
    const { rows } = await pool.query({ name: 'find', text: FIND, values: [id] });
    return rows[0];
  };
  return {
    close,
    async request(subject) {
      const token = `${subject}@example.com`;
      const { id, expiresAt } = await insert(pool, { subject, token, way: 'default' });
      const now = Date.now();
      if (looks) await pool.query({ name: 'bind', text: BIND, values: [id, now] });
      await deliver();
      return {
        id,
        expiresAt: new Date(expiresAt).toISOString(),
        resendAt: new Date(now + 30_000).toISOString(),
        attemptsLeft: 5,
        codeLength: 6,
        maskedToken: `${token[0]}***`,
      };
    },
    async confirm(subject, { id, code }) {
      if (looks && (await find(id))?.subject !== subject) return [404, { error: 'not-found' }];
      const { isKnown, isConfirmed, attemptsLeft } = await confirm(pool, { id, subject }, code);
      if (isConfirmed) return [200, { id, confirmed: true }];
      return isKnown ? [422, { error: 'code-mismatch', attemptsLeft }] : [410, { error: 'ended' }];
    },
    async pay(subject, id) {
      return (await use(pool, { id, subject })) ? [200, { done: true }] : [403, { error: PURPOSE }];
    },
  };
}

/** The message: nobody is sent anything here. */
async function deliver() {}
