import type { DynamicModule, Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import type { Redis } from 'ioredis';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';

import {
  ConfirmerService,
  FactorService,
  LimitService,
  totp,
  TwoFactorSendError,
  TwoFactorService,
  type LimitsOptions,
} from '../../lib/index.js';
import { resolveOptions } from '../../lib/options/index.js';
import { enrolledApp, totpCode, type EnrolledApp } from '../../lib/testing/index.js';
import { engines, found } from '../support/engines.js';
import { startGuide, type Guide } from '../support/guide.js';
import { load, readPage, writePage } from '../support/snippets.js';
import { SECRET, startApp, type TestApp } from '../support/test-app.js';

const page = await readPage('docs/guides/limits.md');
let guide: Guide | undefined;

interface SupportDesk {
  isLocked(email: string, userId?: string): Promise<boolean>;
  unlock(email: string, userId: string): Promise<void>;
}

const enrol = ({ app, clock }: TestApp): Promise<EnrolledApp> =>
  enrolledApp(app.get(FactorService), { subject: 'ann', clock });

beforeAll(() => writePage(page));
afterEach(async () => {
  await guide?.close();
  guide = undefined;
});

describe('Limits', () => {
  it('three wrong codes lock a token, and the support desk unlocks it', async () => {
    guide = await startGuide(page);
    const { SupportDesk } = await load<{ SupportDesk: Type<SupportDesk> }>(page, 'support-desk.ts');
    const desk = guide.app.get(SupportDesk);
    const token = 'ann@example.com';
    const asked = await guide.post('/2factor/request-confirmation', { token }).expect(200);
    const { id } = asked.body as { id: string };
    const code = guide.lastCode();
    const wrong = code === '123456' ? '654321' : '123456';
    for (let n = 0; n < 3; n++)
      await guide.post('/2factor/confirm', { id, code: wrong }).expect(422);

    expect(await desk.isLocked('Ann@Example.com')).toBe(true);
    await guide.post('/2factor/confirm', { id, code }).expect(429);
    // The user's own codes are counted apart, until they are guessed at too.
    expect(await desk.isLocked(token, 'ann')).toBe(false);
    const confirmer = guide.app.get(ConfirmerService, { strict: false });
    const own = await confirmer.makeConfirmation({ token, subject: 'ann' });
    for (let n = 0; n < 3; n++) await confirmer.confirm(own.id, wrong);
    expect(await desk.isLocked(token, 'ann')).toBe(true);

    await desk.unlock(token, 'ann');
    for (const userId of [undefined, 'ann']) expect(await desk.isLocked(token, userId)).toBe(false);
    await guide.post('/2factor/confirm', { id, code }).expect(200);
  });

  it('names each limit with a section of its own', () => {
    const { limits } = resolveOptions({ secret: SECRET }, { NODE_ENV: 'test' });
    for (const name of Object.keys(limits)) {
      expect(page.text).toContain(`| [\`${name}\`](#${name.toLowerCase()}) `);
      expect(page.text).toContain(`\n### \`${name}\`\n`);
    }
  });

  it('boots in production without limits, and compares guess after guess at an app then', async () => {
    const off = { secret: SECRET, limits: false } as const;
    expect(resolveOptions(off, { NODE_ENV: 'production' }).limits.failures).toBe(null);
    const test = await startApp({ options: { ...off, methods: [totp({ issuer: 'ACME' })] } });
    try {
      const { secret } = await enrol(test);
      const { confirmer, app } = test;
      const right = totpCode(secret, test.clock);
      const code = right === '123456' ? '654321' : '123456';
      for (let round = 0; round < 4; round += 1) {
        const { id } = await confirmer.makeConfirmation({ subject: 'ann', methods: ['totp'] });
        for (let n = 0; n < 5; n += 1) {
          const [, confirmed] = await confirmer.confirm(id, { method: 'totp', code });
          expect(confirmed).toBe(false);
        }
      }
      const scope = { subject: 'ann', method: 'totp' } as const;
      const failures = await app.get(LimitService).failures(scope);
      expect(failures).toEqual({ count: 0, lockedUntil: null, isPermanentlyLocked: false });
    } finally {
      await test.close();
    }
  });

  it('keeps a message counted whose provider has failed, until the sixth in ten minutes is refused', async () => {
    const test = await startApp();
    try {
      const ask = () => test.twoFactor.request({ token: 'ann@example.com' });
      for (let n = 0; n < 5; n += 1) {
        test.inbox.failNext(new Error('The provider is down.'));
        await expect(ask()).rejects.toBeInstanceOf(TwoFactorSendError);
      }
      await expect(ask()).rejects.toMatchObject({ limit: 'sends-per-token' });
    } finally {
      await test.close();
    }
  });

  it('counts all spellings of a national number as one', async () => {
    const { limits } = await load<{ limits: LimitsOptions }>(page, 'phone-limits.ts');
    for (const spelling of ['(415) 555-0123', '+1 415 555 0123', '0014155550123']) {
      expect(limits.normalizeToken?.(spelling), spelling).toBe('+14155550123');
    }
  });
});

describe.each(found.redis ? engines.filter((engine) => engine === 'sqljs') : [])(
  'Limits in Redis, confirmations on %s',
  () => {
    it('five messages in ten minutes to one token', async () => {
      process.env['REDIS_URL'] = found.redis;
      const { redis, limitedInRedis } = await load<{ redis: Redis; limitedInRedis: DynamicModule }>(
        page,
        'redis-limits.ts',
      );
      delete process.env['REDIS_URL'];
      const module = await Test.createTestingModule({
        imports: [
          TypeOrmModule.forRoot({ type: 'sqljs', autoLoadEntities: true, synchronize: true }),
          limitedInRedis,
        ],
      }).compile();
      await module.init();
      const before = new Set(await redis.keys('two-factor:*'));
      try {
        const twoFactor = module.get(TwoFactorService);
        const ask = () => twoFactor.request({ token: 'ann@example.com' });
        for (let n = 1; n <= 5; n++) await ask();

        await expect(ask()).rejects.toMatchObject({ limit: 'sends-per-token' });
      } finally {
        const ours = (await redis.keys('two-factor:*')).filter((key) => !before.has(key));
        if (ours.length > 0) await redis.del(ours);
        await module.close();
        await redis.quit();
      }
    });
  },
);
