import { confirm, insert, open, use } from '../contenders/floor.js';
import { PURPOSE } from '../contenders/contender.js';

/**
 * The steps of a cycle for servers that are written by hand: four statements.
 *
 * @param {{ url: string }} options
 */
export async function openSteps({ url }) {
  const { pool, close } = await open({ url });
  return {
    close,
    async request(subject) {
      const token = `${subject}@example.com`;
      const { id, expiresAt } = await insert(pool, { subject, token, way: 'default' });
      const now = Date.now();
      await deliver();
      return {
        id,
        expiresAt: new Date(expiresAt).toISOString(),
        expiresIn: Math.floor((expiresAt - now) / 1_000),
        resendAt: new Date(now + 30_000).toISOString(),
        resendIn: 30,
        attemptsLeft: 5,
        codeLength: 6,
        maskedToken: `${token[0]}***`,
      };
    },
    async confirm(subject, { id, code }) {
      const { isKnown, isConfirmed, attemptsLeft } = await confirm(pool, { id, subject }, code);
      if (isConfirmed) return [200, { id, confirmed: true }];
      return isKnown ? [422, { error: 'code-mismatch', attemptsLeft }] : [410, { error: 'ended' }];
    },
    async pay(subject, id) {
      return (await use(pool, { id, subject })) ? [200, { done: true }] : [403, { error: PURPOSE }];
    },
  };
}

/** The message: none is sent here. */
async function deliver() {}
