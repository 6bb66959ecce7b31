// The sample application with REDIS_URL: its codes leave through BullMQ, Redis gets nothing that confirms anything, and an outage
// of Redis costs no code.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startBank, type Bank } from '../support/bank.js';
import { codes, Customer } from '../support/customer.js';
import { servers } from '../support/engines.js';
import { dumpRedis, hasOwnRedis, OwnRedis } from '../support/own-redis.js';

/** The entries that BullMQ writes about finished jobs. */
const FINISHED = /"event","completed"/g;

describe.each(hasOwnRedis ? (['sqljs', ...servers] as const) : [])(
  'The sample application with a Redis, on %s',
  (engine) => {
    let redis: OwnRedis;
    let bank: Bank;
    let ann: Customer;

    beforeAll(async () => {
      redis = await OwnRedis.launch();
      const environment = { REDIS_URL: `redis://127.0.0.1:${redis.port}` };
      bank = await startBank({ engine, environment });
      ann = new Customer(bank.url, 'ann@bank.example');
    });
    afterAll(async () => {
      await bank?.close();
      await redis.close();
    });

    const dump = (): Promise<string> => dumpRedis([{ host: '127.0.0.1', port: redis.port }]);

    it('sends mails and text messages by jobs that hold no code, no address and no number', async () => {
      await ann.signUp();
      await ann.signIn();
      const phone = '+4915112345001';
      const asked = await ann.request({ purpose: 'new-phone', way: 'sms', token: phone });
      expect(await ann.untilDelivered(asked.body['id'])).toBe('sent');
      await ann.code(phone);

      // A job is finished a moment after its message.
      await expect.poll(async () => (await dump()).match(FINISHED)?.length).toBe(3);
      const held = await dump();
      expect(held).toContain('bull:sample-bank-email:');
      expect(held).toContain('bull:sample-bank-sms:');
      for (const secret of [phone, ann.email, 'bank.example']) expect(held).not.toContain(secret);
      // Six digits of a time are no code.
      for (const code of codes) expect(held).not.toMatch(new RegExp(`\\b${code}\\b`));
    });

    it('sends them while Redis is away', async () => {
      await redis.kill();
      try {
        const before = codes.size;
        await ann.signIn();
        expect(codes.size).toBe(before + 1);
        expect(bank.printed()).toContain('Redis takes no keys of messages');
      } finally {
        await redis.start();
      }
    });
  },
);
