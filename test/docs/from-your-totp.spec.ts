import { createHash, randomBytes } from 'node:crypto';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';

import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { ConfirmerService, FactorService } from '../../lib/index.js';
import { HOTP, Secret, TOTP } from 'otpauth';
import { DataSource } from 'typeorm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

import { openDatabase, type TestDatabase } from '../support/engines.js';
import { startGuide, type Guide } from '../support/guide.js';
import { secretOf } from '../support/secret.js';
import { load, readPage, writePage } from '../support/snippets.js';

interface FormerApp {
  readonly userId: string;
  readonly secret: string;
  readonly digits?: number;
  readonly period?: number;
  readonly allowShortSecrets?: boolean;
}
interface FormerSecrets {
  fromSpeakeasy(stored: string, encoding: 'ascii' | 'base32' | 'hex'): string;
  fromBetterAuth(
    stored: string,
    secrets: { plain: string; numbered?: ReadonlyMap<number, string> },
  ): string;
  numberedSecrets(list: string): ReadonlyMap<number, string>;
}
interface ImportApps {
  run(apps: Iterable<FormerApp>): Promise<{ imported: number; kept: number; refused: string[] }>;
}

const page = await readPage('docs/guides/from-your-totp.md');
let database: TestDatabase;
let guide: Guide;
let former: FormerSecrets;
let apps: ImportApps;
let runs = 0;

beforeAll(async () => {
  // The scripts seal the apps, and the application that starts after them opens them.
  vi.stubEnv('TWO_FACTOR_SECRET', secretOf('the application that moves'));
  await writePage(page);
});
afterAll(() => {
  vi.unstubAllEnvs();
});
beforeEach(async () => {
  database = await openDatabase('postgres');
  vi.stubEnv('DATABASE_URL', 'url' in database.options ? database.options.url : '');
  guide = await startGuide(page);
  former = await load<FormerSecrets & Record<string, never>>(page, 'former-secrets.ts');
  const { ImportApps } = await load<{ ImportApps: new () => ImportApps }>(page, 'import-apps.ts');
  apps = guide.app.get(ImportApps);
});
afterEach(async () => {
  await guide.close();
  await database.drop();
});

const query = (sql: string, values: unknown[] = []): Promise<unknown> =>
  guide.app.get(DataSource).query(sql, values);

/** Runs a script of the page as `node` does. @returns what it has written, and the code with which its process would end. */
async function runScript(name: string): Promise<{ lines: string[]; exitCode: unknown }> {
  runs += 1;
  // A module runs once for each name, as a program does for each start.
  const copy = name.replace('.ts', `-run-${runs}.js`);
  await copyFile(join(page.folder, name.replace('.ts', '.js')), join(page.folder, copy));
  const lines: string[] = [];
  const console_ = vi.spyOn(console, 'log').mockImplementation((line: unknown) => {
    lines.push(String(line));
  });
  const before = process.exitCode;
  process.exitCode = undefined;
  try {
    await load(page, copy);
    return { lines, exitCode: process.exitCode };
  } finally {
    process.exitCode = before;
    console_.mockRestore();
  }
}

/** Whether the app on the phone, which has these bytes, confirms. */
async function confirms(subject: string, secret: Secret): Promise<boolean> {
  const confirmer = guide.app.get(ConfirmerService);
  const { id } = await confirmer.makeConfirmation({ subject, methods: ['totp'] });
  const code = new TOTP({ secret }).generate();
  const [, isConfirmed] = await confirmer.confirm(id, { method: 'totp', code });
  return isConfirmed;
}

/** As better-auth stores a text. */
function sealed(text: string, secret: string): string {
  const nonce = randomBytes(24);
  const key = createHash('sha256').update(secret).digest();
  const bytes = xchacha20poly1305(key, nonce).encrypt(Buffer.from(text));
  return Buffer.concat([nonce, bytes]).toString('hex');
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
    const seal = (secret: string): string => sealed(text, secret);
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

  it('leaves out an app of 80 bits, until the script says that it is to be kept', async () => {
    const app = { userId: 'ann', secret: new Secret({ size: 10 }).base32 };

    expect(await apps.run([app])).toEqual({ imported: 0, kept: 0, refused: ['ann'] });
    expect(await apps.run([{ ...app, allowShortSecrets: true }])).toEqual({
      imported: 1,
      kept: 0,
      refused: [],
    });
    expect(await confirms('ann', Secret.fromBase32(app.secret))).toBe(true);
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

  it('reads the secrets that BETTER_AUTH_SECRETS numbers', () => {
    const numbered = former.numberedSecrets('2:a+b/c:d=, 10:old');
    expect([...numbered]).toEqual([
      [2, 'a+b/c:d='],
      [10, 'old'],
    ]);
    expect(former.numberedSecrets('').size).toBe(0);
  });
});

describe('The scripts of the page', () => {
  it('import a table of your own in pages, leave out what was never confirmed, and can be repeated', async () => {
    const secret = new Secret({ size: 20 });
    await query(`CREATE TABLE user_totp (
      id serial PRIMARY KEY, user_id integer, secret text, confirmed_at timestamptz)`);
    // More than two pages, one of which ends with a row that is left out.
    await query(
      `INSERT INTO user_totp (user_id, secret, confirmed_at)
       SELECT 1000 + n, CASE n WHEN 7 THEN 'no secret' ELSE $1 END, CASE n WHEN 100 THEN NULL ELSE now() END
       FROM generate_series(1, 203) n`,
      [secret.base32],
    );

    expect(await runScript('import-own-table.ts')).toEqual({
      lines: ['201 imported, 0 kept, 1 refused', 'refused: 1007'],
      exitCode: 1,
    });
    expect(await runScript('import-own-table.ts')).toEqual({
      lines: ['0 imported, 201 kept, 1 refused', 'refused: 1007'],
      exitCode: 1,
    });
    expect(await confirms('1001', secret)).toBe(true);
    expect(await confirms('1203', secret)).toBe(true);
    expect(await guide.app.get(FactorService).list({ subject: '1100' })).toEqual([]);
  });

  it('import the users of speakeasy', async () => {
    const secret = new Secret({ size: 20 });
    await query(
      'CREATE TABLE users (id serial PRIMARY KEY, two_factor_secret text, two_factor_enabled boolean)',
    );
    await query('INSERT INTO users VALUES (1, $1, true), (2, $1, false), (3, NULL, false)', [
      secret.base32,
    ]);

    const lines = ['1 imported, 0 kept, 0 refused'];
    expect(await runScript('import-speakeasy.ts')).toEqual({ lines, exitCode: undefined });
    expect(await confirms('1', secret)).toBe(true);
    expect(await guide.app.get(FactorService).list({ subject: '2' })).toEqual([]);
  });

  it('import the tables of better-auth, and refuse what its secrets do not decrypt', async () => {
    const text = randomBytes(24).toString('base64url');
    const [plain, numbered, lost] = ['plain', 'numbered', 'lost'].map((name) => secretOf(name));
    vi.stubEnv('BETTER_AUTH_SECRET', plain);
    vi.stubEnv('BETTER_AUTH_SECRETS', `2:${numbered}`);
    await query('CREATE TABLE "user" (id text PRIMARY KEY, "twoFactorEnabled" boolean)');
    await query(`CREATE TABLE "twoFactor" (
      id text PRIMARY KEY, "userId" text, secret text, "backupCodes" text, verified boolean)`);
    await query(
      `INSERT INTO "user" VALUES ('ann', true), ('bob', true), ('cat', true), ('dan', false), ('eve', true)`,
    );
    await query(
      `INSERT INTO "twoFactor" VALUES
       ('k1', 'ann', $1, '', true), ('k2', 'bob', $2, '', NULL), ('k3', 'cat', $3, '', true),
       ('k4', 'dan', $1, '', true), ('k5', 'eve', $1, '', false)`,
      [sealed(text, plain!), `$ba$2$${sealed(text, numbered!)}`, sealed(text, lost!)],
    );

    expect(await runScript('import-better-auth.ts')).toEqual({
      lines: ['2 imported, 0 kept, 1 refused', 'refused: cat'],
      exitCode: 1,
    });
    expect(await confirms('ann', Secret.fromUTF8(text))).toBe(true);
    expect(await confirms('bob', Secret.fromUTF8(text))).toBe(true);
    for (const subject of ['cat', 'dan', 'eve']) {
      expect(await guide.app.get(FactorService).list({ subject })).toEqual([]);
    }
  });
});
