// Threat: codes that can be guessed, stored texts that tell them, keys that are gone (security.md, section 2 G).
import crypto, { createHash, type BinaryToTextEncoding } from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';

import { ConsoleLogger } from '@nestjs/common';
import { afterEach, describe, expect, it, vi } from 'vitest';

import {
  ConfirmationRecord,
  digits,
  TWO_FACTOR_LIMIT_STORE,
  TwoFactorUnknownSecretError,
  type TwoFactorModuleOptions,
} from '../../lib/index.js';
import { KeyRing } from '../../lib/crypto/index.js';
import { NoLimitStore } from '../../lib/limits/index.js';
import { recordOutput } from '../support/canaries.js';
import { doors, httpDoors, type Entrance } from '../support/doors.js';
import { dumpOf } from '../support/dump.js';
import { engines } from '../support/engines.js';
import { SECRET, startApp, type TestApp } from '../support/test-app.js';

/** Nest logs what it answers with 500, stack and all: recorded here, and not printed. */
class RecordingLogger extends ConsoleLogger {
  constructor() {
    super({ logLevels: [] });
  }

  override error(...lines: unknown[]): void {
    recordOutput('error', ...lines);
  }
}

const OTHER_SECRET = `${SECRET}-other`;

describe.each(doors)('Crypto and configuration, through $name:', ({ name, open }) => {
  let door: Entrance;
  afterEach(async () => {
    vi.restoreAllMocks();
    syncBuiltinESMExports();
    await door.close();
  });

  it.each(['randomInt', 'randomFillSync'] as const)(
    '70 makes and sends nothing when %s fails for want of entropy',
    async (source) => {
      door = await open({
        options: { codeGenerator: digits(6) },
        override: (builder) => builder.setLogger(new RecordingLogger()),
      });
      vi.spyOn(crypto, source).mockImplementation(() => {
        throw new Error('no entropy');
      });
      syncBuiltinESMExports();

      await door.unchanged(async () => {
        if (door.http) {
          const body = { token: 'ann@example.com' };
          const answer = await door.http.post('/2factor/request-confirmation', body);
          expect(answer.status).toBe(500);
          expect(answer.text).not.toContain('entropy');
        } else {
          await expect(door.request({ token: 'ann@example.com' })).rejects.toThrow('no entropy');
          await expect(door.test.confirmer.makeConfirmation()).rejects.toThrow('no entropy');
        }
      });
      expect(door.test.inbox.deliveries).toStrictEqual([]);
    },
  );

  it('77 ignores changes of its options object after boot', async () => {
    const options = {
      secrets: [SECRET],
      maxAttempts: 2,
      maxSends: 2,
      ttlSeconds: 60,
      cooldownSeconds: [30],
      purposes: { '': { ttlSeconds: 600 }, login: { ttlSeconds: 60 } } as Record<
        string,
        { ttlSeconds: number }
      >,
      senders: {
        default: { backend: () => (delivery: never) => door.test.inbox.send(delivery) },
      } as Record<string, { backend: unknown }>,
    };
    door = await open({
      options: { ...options, secret: undefined } as unknown as TwoFactorModuleOptions,
    });
    const earlier = await door.made();

    options.maxAttempts = 1_000;
    options.maxSends = 1_000;
    options.ttlSeconds = 86_400;
    options.cooldownSeconds[0] = 0;
    options.purposes['evil'] = { ttlSeconds: 86_400 };
    options.purposes['login']!.ttlSeconds = 86_400;
    options.senders['evil'] = options.senders['default']!;
    options.senders['default'] = { backend: () => () => undefined };
    options.secrets[0] = OTHER_SECRET;

    const { id, code } = await door.made({ token: 'ann@example.com', purpose: 'login' });
    expect(await door.row(id)).toMatchObject({
      maxAttempts: 2,
      expiresAt: door.test.clock.now() + 60_000,
    });
    expect(await door.resend(id)).toBe('too-many-requests, in 30 s');
    expect(await door.request({ token: 'ann@example.com', way: 'evil' })).toBe('invalid-request');
    if (name !== 'the services')
      expect(await door.request({ token: 'ann@example.com', purpose: 'evil' })).toBe(
        'invalid-request',
      );
    expect(await door.confirm(id, code)).toBe('done');
    expect(await door.confirm(earlier.id, earlier.code)).toBe('done');
  });
});

describe.each(engines)('Crypto and configuration, through the services on %s:', (engine) => {
  let test: TestApp;
  afterEach(() => test.close());

  it('71 stores no code, no address, and no hash that could be made without the secret', async () => {
    // Six digits: few enough that a plain hash of one would tell it.
    test = await startApp({ engine, options: { codeGenerator: () => '042317' } });
    const token = 'ann.of-the-dump@example.com';
    await test.twoFactor.request({
      token,
      purpose: 'login',
      subject: 'ann',
      context: { name: 'Ann Dump' },
    });
    const tables = await dumpOf(test.dataSource);
    const rows = Object.values(tables).flat();
    const [row] = await test.dataSource.getRepository(ConfirmationRecord).find();
    const dump = rows.join('\n');

    expect(dump).toContain(row!.codeMac);
    for (const clear of [
      '042317',
      '42317',
      token,
      'ann.of',
      'Ann Dump',
      `v1.${KeyRing.fromSecrets([Buffer.from(SECRET)]).current.kid}.042317`,
    ])
      expect(dump).not.toContain(clear);
    // Salted by anything that is in the row, as most would do it.
    const salts = ['', ...Object.values(row!).map(String)];
    const candidates = salts.flatMap((salt) =>
      ['', ':', '|', '.'].flatMap((glue) => [
        `${salt}${glue}042317`,
        `042317${glue}${salt}`,
        `${salt}${glue}${token}`,
      ]),
    );
    const hashes = candidates.flatMap((text) =>
      ['md5', 'sha1', 'sha256', 'sha512'].flatMap((algorithm) =>
        (['hex', 'base64', 'base64url'] as BinaryToTextEncoding[]).map((encoding) =>
          createHash(algorithm).update(text).digest(encoding).slice(0, 16),
        ),
      ),
    );
    expect(hashes.length).toBeGreaterThan(2_000);
    expect(hashes.filter((hash) => dump.includes(hash))).toStrictEqual([]);
  });

  it('72 stores another MAC and another envelope for the same code each time', async () => {
    test = await startApp({ engine, options: { codeGenerator: () => '042317' } });
    for (let at = 0; at < 20; at += 1)
      await test.twoFactor.request({ token: `ann-${at}@example.com` });

    const rows = await test.dataSource.getRepository(ConfirmationRecord).find();
    expect(new Set(rows.map(({ codeMac }) => codeMac)).size).toBe(20);
    expect(new Set(rows.map(({ envelope }) => envelope)).size).toBe(20);
    expect(new Set(rows.map(({ detailsMac }) => detailsMac)).size).toBe(20);
    // A resend of the same code seals it anew.
    const [{ id, envelope }] = rows as [ConfirmationRecord];
    test.clock.advance(30);
    await test.twoFactor.resend(id);
    const again = await test.dataSource.getRepository(ConfirmationRecord).findOneByOrFail({ id });
    expect(again.envelope).not.toBe(envelope);
  });
});

// An in-memory database cannot be opened by a second application.
describe.each(engines.filter((engine) => engine !== 'sqljs'))(
  'Crypto and configuration, through the services on %s:',
  (engine) => {
    it('75 instances with different secrets open nothing of each other', async () => {
      const one = await startApp({ engine });
      const other = await startApp({
        engine,
        database: one.database,
        options: { secret: OTHER_SECRET },
      });
      for (const [ours, theirs] of [
        [one, other],
        [other, one],
      ] as const) {
        const { id, state } = await ours.twoFactor.request({ token: 'ann@example.com' });
        const code = state.code!;
        const proof = await ours.confirmer.makeConfirmation({ isConfirmed: true });
        ours.clock.advance(30);
        theirs.clock.advance(30);

        await expect(theirs.confirmer.confirm(id, code)).rejects.toBeInstanceOf(
          TwoFactorUnknownSecretError,
        );
        await expect(theirs.twoFactor.resend(id)).rejects.toBeInstanceOf(
          TwoFactorUnknownSecretError,
        );
        const [seen] = await theirs.confirmer.check(id);
        expect(() => seen?.code).toThrow(TwoFactorUnknownSecretError);
        expect(() => seen?.token).toThrow(TwoFactorUnknownSecretError);
        expect(await theirs.confirmer.use(proof.id)).toBe(false);
        expect(theirs.inbox.deliveries.filter(({ state: sent }) => sent.id === id)).toHaveLength(0);
        // What failed elsewhere was charged, and spent nothing else.
        expect((await ours.confirmer.check(id))[0]?.attemptsLeft).toBe(4);
        expect((await ours.confirmer.confirm(id, code))[1]).toBe(true);
        expect(await ours.confirmer.use(proof.id)).toBe(true);
      }
      await other.close();
      await one.close();
    });
  },
);

describe.each(httpDoors)('Crypto and configuration, over HTTP on $name:', ({ open }) => {
  it('78 answers 503 while the limit store is down, compares and sends nothing, and recovers', async () => {
    const store = new NoLimitStore();
    const limitStore = { provide: TWO_FACTOR_LIMIT_STORE, useValue: store };
    const door = await open({ options: { limits: {}, limitStore } });
    const { id, code } = await door.made();
    door.test.clock.advance(30);
    const sent = door.test.inbox.deliveries.length;
    const down = vi.spyOn(store, 'consume').mockRejectedValue(new Error('ECONNREFUSED 10.0.0.7'));

    await door.unchanged(async () => {
      expect(await door.confirm(id, code)).toBe('temporarily-unavailable');
      expect(await door.confirm(id, 'WRONGCODE')).toBe('temporarily-unavailable');
      expect(await door.resend(id)).toBe('temporarily-unavailable');
      expect(await door.request({ token: 'ann@example.com' })).toBe('temporarily-unavailable');
    });
    expect(door.test.inbox.deliveries).toHaveLength(sent);
    down.mockRestore();
    expect(await door.confirm(id, code)).toBe('done');
    await door.close();
  });

  it('75 answers 410 for what was made under a secret that this instance does not have', async () => {
    const one = await open();
    const { id, code } = await one.made();
    const other = await open({
      options: { secret: OTHER_SECRET },
      dataSource: { type: 'sqljs', database: one.test.dataSource.sqljsManager.exportDatabase() },
    });
    other.test.clock.advance(30);

    expect(await other.confirm(id, code)).toBe('unknown-secret');
    expect(await other.resend(id)).toBe('unknown-secret');
    expect(other.test.inbox.deliveries).toStrictEqual([]);
    expect(await other.row(id)).toMatchObject({ confirmedAt: null, attempts: 1, sends: 1 });
    await other.close();
    await one.close();
  });
});
