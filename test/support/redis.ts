import { randomBytes } from 'node:crypto';

import { Redis } from 'ioredis';

import { found } from './engines.js';

/** A part of the Redis of this machine that no other test uses. */
export interface TestRedis {
  readonly client: Redis;
  readonly keyPrefix: string;
  /** All its keys live `seconds` less. The clock of Redis cannot be moved. */
  advance(seconds: number): Promise<void>;
  close(): Promise<void>;
}

export function openRedis(): TestRedis {
  const client = new Redis(found.redis!);
  const keyPrefix = `two-factor-test-${randomBytes(6).toString('hex')}`;
  const keys = (): Promise<string[]> => client.keys(`${keyPrefix}*`);
  return {
    client,
    keyPrefix,
    advance: async (seconds) => {
      for (const key of await keys()) {
        const left = await client.pttl(key);
        // Without an end, or gone meanwhile.
        if (left < 0) continue;
        if (left > seconds * 1_000) await client.pexpire(key, left - seconds * 1_000);
        else await client.del(key);
      }
    },
    close: async () => {
      const left = await keys();
      if (left.length > 0) await client.del(left);
      await client.quit();
    },
  };
}
