import { createHash, randomBytes } from 'node:crypto';

import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { ConfirmerService, FactorService } from '../../lib/index.js';
import { HOTP, Secret, TOTP } from 'otpauth';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { startGuide, type Guide } from '../support/guide.js';
import { load, readPage, writePage } from '../support/snippets.js';

interface FormerApp {
  readonly userId: string;
  readonly secret: string;
  readonly digits?: number;
  readonly period?: number;
}
interface FormerSecrets {
  fromSpeakeasy(stored: string, encoding: 'ascii' | 'base32' | 'hex'): string;
  fromBetterAuth(
    stored: string,
    secrets: { plain: string; numbered?: ReadonlyMap<number, string> },
  ): string;
}
interface ImportApps {
  run(apps: Iterable<FormerApp>): Promise<{ imported: number; kept: number; refused: string[] }>;
}

const page = await readPage('docs/guides/from-your-totp.md');
let guide: Guide;
let former: FormerSecrets;
let apps: ImportApps;

beforeAll(() => writePage(page));
beforeEach(async () => {
  guide = await startGuide(page);
  former = await load<FormerSecrets & Record<string, never>>(page, 'former-secrets.ts');
  const { ImportApps } = await load<{ ImportApps: new () => ImportApps }>(page, 'import-apps.ts');
  apps = guide.app.get(ImportApps);
});
afterEach(() => guide.close());

/** Whether the app on the phone, which has these bytes, confirms. */
async function confirms(subject: string, secret: Secret): Promise<boolean> {
  const confirmer = guide.app.get(ConfirmerService);
  const { id } = await confirmer.makeConfirmation({ subject, methods: ['totp'] });
  const code = new TOTP({ secret }).generate();
  const [, isConfirmed] = await confirmer.confirm(id, { method: 'totp', code });
  return isConfirmed;
}

describe('From a TOTP table, speakeasy or better-auth', () => {
  it('keeps the apps of a table of your own and of speakeasy, in all its encodings', async () => {
    // What speakeasy.generateSecret() returns: printable characters, in three encodings.
    const ascii = randomBytes(15).toString('base64');
    const secret = Secret.fromLatin1(ascii);
    const stored = { ascii, hex: secret.hex, base32: secret.base32 } as const;
    const encodings = ['ascii', 'hex', 'base32'] as const;
    const rows = encodings.map((encoding) => ({
      userId: encoding,
      secret: former.fromSpeakeasy(stored[encoding], encoding),
    }));

    expect(await apps.run(rows)).toEqual({ imported: 3, kept: 0, refused: [] });
    for (const userId of encodings)
      expect([userId, await confirms(userId, secret)]).toEqual([userId, true]);
  });

  it('keeps the apps of better-auth, with and without a numbered secret', async () => {
    const text = randomBytes(24).toString('base64url');
    const plain = randomBytes(32).toString('base64');
    const numbered = randomBytes(32).toString('base64');
    const seal = (secret: string): string => {
      const nonce = randomBytes(24);
      const key = createHash('sha256').update(secret).digest();
      const sealed = xchacha20poly1305(key, nonce).encrypt(Buffer.from(text));
      return Buffer.concat([nonce, sealed]).toString('hex');
    };
    const secrets = { plain, numbered: new Map([[2, numbered]]) };
    const rows = [
      { userId: 'ann', secret: former.fromBetterAuth(seal(plain), secrets) },
      { userId: 'bob', secret: former.fromBetterAuth(`$ba$2$${seal(numbered)}`, secrets) },
    ];

    expect(await apps.run(rows)).toEqual({ imported: 2, kept: 0, refused: [] });
    expect(await confirms('ann', Secret.fromUTF8(text))).toBe(true);
    expect(await confirms('bob', Secret.fromUTF8(text))).toBe(true);
    expect(() => former.fromBetterAuth(`$ba$3$${seal(plain)}`, secrets)).toThrow('missing');
    expect(() => former.fromBetterAuth(seal(numbered), secrets)).toThrow(/decrypt|tag|invalid/i);
  });

  it('reads what better-auth 1.7.25 wrote', () => {
    // symmetricEncrypt() of better-auth under that secret, in pieces, which boot no application; and the code that it then made.
    const plain = 'the former application, of a test';
    const pieces = (text: string): string => text.replaceAll(' ', '');
    const written = pieces(
      '1b071620d499 b37c3030eefd 5b2eacc57052 63021ebd6201 ec86e859ac60 8cd25194f255 70057dd8b8a1 02b1f42d8736 1bb24d934b25 991493872d92 7ab90f9af65c 9744a1c993b4',
    );
    const numbered = pieces(
      '8bcfb1895cce b2efc6c6bcb9 92e01dbc3986 353008c646bf 8b14b3805a2c 6a5552343af8 2c831a195b67 ea57337e23ef 83a2f1b61414 36e89f608d6d ac4a74e902c2 471f2ac717c8',
    );
    const codeOf = (secret: string): string =>
      HOTP.generate({ secret: Secret.fromBase32(secret), counter: 59_000_000 });

    expect(codeOf(former.fromBetterAuth(written, { plain }))).toBe('892052');
    const secrets = { plain: 'another', numbered: new Map([[2, plain]]) };
    expect(codeOf(former.fromBetterAuth(`$ba$2$${numbered}`, secrets))).toBe('892052');
  });

  it('can be repeated, and leaves out what is no secret of an app', async () => {
    const { base32: secret } = new Secret({ size: 20 });
    const rows = [
      { userId: 'ann', secret },
      { userId: 'bob', secret: 'not base32!' },
      { userId: 'cat', secret, digits: 4 },
    ];

    expect(await apps.run(rows)).toEqual({ imported: 1, kept: 0, refused: ['bob', 'cat'] });
    expect(await apps.run(rows)).toEqual({ imported: 0, kept: 1, refused: ['bob', 'cat'] });
    expect(await guide.app.get(FactorService).list({ subject: 'ann' })).toHaveLength(1);
  });
});
