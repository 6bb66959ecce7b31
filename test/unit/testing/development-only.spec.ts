// The kit reads codes: nothing of it may work in production, nor where NODE_ENV is not set.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { build } from 'rolldown';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { TwoFactorConfigurationError, type FactorService } from '../../../lib/index.js';
import * as kit from '../../../lib/testing/index.js';
import { sampleDelivery } from '../../../lib/testing/sample-delivery.js';

afterEach(() => vi.unstubAllEnvs());

const builder = { overrideProvider: () => ({ useFactory: () => undefined }) };
const factors = { enrol: () => new Promise(() => undefined) } as unknown as FactorService;
const framework = { describe: () => undefined, it: () => undefined };
const contract = { open: () => ({ send: () => undefined, delivered: () => [] }), token: String };

/** Each way to begin with the kit, by what it is called. */
const WAYS: Record<string, () => unknown> = {
  FakeClock: () => new kit.FakeClock(),
  SoftwareAuthenticator: () => new kit.SoftwareAuthenticator({ origin: 'https://acme.example' }),
  TestInbox: () => new kit.TestInbox(),
  enrolledApp: () => kit.enrolledApp(factors, { subject: 'ann', clock: { now: Date.now } }),
  enrolledPasskey: () =>
    kit.enrolledPasskey(factors, { subject: 'ann', origin: 'https://acme.example' }),
  totpCode: () => kit.totpCode('JBSWY3DPEHPK3PXP', { now: Date.now }),
  sequentialCodes: () => kit.sequentialCodes('000001'),
  describeSenderBackend: () => kit.describeSenderBackend('any', contract, framework),
  TwoFactorTestingModule: () => kit.TwoFactorTestingModule.forRoot(),
};
const ELSEWHERE = ['production', '', 'staging', 'Test', 'testing', 'development ', undefined];

const refusal = (what: string): TwoFactorConfigurationError =>
  new TwoFactorConfigurationError(
    `${what} of nestjs-two-factor/testing is for tests, and NODE_ENV is neither "development" nor "test": set ` +
      'NODE_ENV=test where tests run, and import nothing of it elsewhere.',
  );

describe('the test kit', () => {
  it('has each of its exports in the list of this spec', () => {
    expect(Object.keys(kit).toSorted()).toEqual(Object.keys(WAYS).toSorted());
  });

  describe.each(Object.keys(WAYS))('begun with %s', (what) => {
    it.each(['development', 'test'])('works with NODE_ENV=%s', (name) => {
      vi.stubEnv('NODE_ENV', name);
      expect(() => WAYS[what]!()).not.toThrow();
    });

    it.each(ELSEWHERE)('is refused with NODE_ENV=%j', (name) => {
      vi.stubEnv('NODE_ENV', name);
      expect(() => WAYS[what]!()).toThrow(refusal(what));
    });
  });

  it.each(ELSEWHERE)('stops working when NODE_ENV becomes %j', (name) => {
    const [inbox, draw] = [new kit.TestInbox(), kit.sequentialCodes('000001')];
    vi.stubEnv('NODE_ENV', name);
    expect(draw).toThrow(refusal('sequentialCodes'));
    expect(() => inbox.send(sampleDelivery('ann@example.com', undefined))).toThrow(
      refusal('TestInbox'),
    );
    expect(() => kit.TwoFactorTestingModule.override(builder, { inbox })).toThrow(
      refusal('TwoFactorTestingModule'),
    );
    expect(inbox.messages).toEqual([]);
  });

  it('reads NODE_ENV when it runs, also from a bundle', async () => {
    const source = new URL('../../../lib/testing/assert-development.ts', import.meta.url);
    const folder = await mkdtemp(join(tmpdir(), 'bundle-'));
    const file = join(folder, 'bundle.mjs');
    // By itself it writes "development" in the place of process.env.NODE_ENV, and ours was packed so.
    await build({ input: fileURLToPath(source), output: { file, format: 'esm' } });
    const { assertDevelopment } = (await import(
      /* @vite-ignore */ pathToFileURL(file).href
    )) as typeof import('../../../lib/testing/assert-development.js');
    await rm(folder, { recursive: true });

    for (const name of ELSEWHERE) {
      vi.stubEnv('NODE_ENV', name);
      expect(() => assertDevelopment('The bundle')).toThrow(
        'The bundle of nestjs-two-factor/testing',
      );
    }
    vi.stubEnv('NODE_ENV', 'test');
    expect(() => assertDevelopment('The bundle')).not.toThrow();
  });
});
