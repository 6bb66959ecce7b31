import { randomBytes } from 'node:crypto';

import { Redis } from 'ioredis';

import { drawCode } from '../measure/cycle.js';

const TTL_SECONDS = 600;

/**
 * The tutorial with Redis: the code under a key that expires, compared by the application, deleted by the call that uses it. It
 * counts no attempts.
 *
 * @returns {Promise<import('./contender.js').Contender>}
 */
export async function open({ redisUrl }) {
  const redis = new Redis(redisUrl);
  return {
    make: async () => {
      const key = `otp:${randomBytes(16).toString('hex')}`;
      await redis.setex(key, TTL_SECONDS, drawCode());
      return key;
    },
    confirm: async (key, code) => (await redis.get(key)) === code,
    use: async (key) => (await redis.del(key)) === 1,
    close: async () => {
      await redis.quit();
    },
  };
}
