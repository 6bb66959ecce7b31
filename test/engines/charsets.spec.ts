// Tables, databases and connections in character sets that hold no emoji, no Arabic and no Chinese: the message has each text
// as it was given.
import { randomBytes } from 'node:crypto';

import mysql from 'mysql2/promise';
import type { DataSourceOptions } from 'typeorm';
import { afterEach, describe, expect, it } from 'vitest';

import { functionalSenderBackend, type Delivery } from '../../lib/index.js';
import { factorsOf, METHODS, TestAuthenticator } from '../support/authenticator.js';
import {
  engines,
  found,
  mysqlServers,
  openDatabase,
  openPostgres,
  type EngineName,
  type TestDatabase,
} from '../support/engines.js';
import { startApp, type TestApp } from '../support/test-app.js';

const TEXTS = {
  emoji: 'Ann 😀 pays 👩‍👩‍👧',
  Arabic: 'تحويل ١٠٠ دينار',
  Chinese: '转账给王小明',
  accents: 'Zoë, Łukasz & Ångström',
  'a backslash and an escape': String.raw`DOM\ann \u00e9 "x"`,
  'the mark of an encoded subject': 'utf8:Wm_Dqw',
  ASCII: 'Ann pays Bob',
} as const;

function postgresIn(charset: string): Promise<TestDatabase> {
  return openPostgres(
    found.postgres!,
    `two_factor_test_${randomBytes(6).toString('hex')}`,
    `ENCODING '${charset}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`,
  );
}

/** A database whose tables are made in this character set. */
async function mysqlIn(engine: EngineName, charset: string): Promise<TestDatabase> {
  const database = await openDatabase(engine);
  const { url } = database.options as { url: string };
  const connection = await mysql.createConnection(url);
  await connection.query(`ALTER DATABASE CHARACTER SET ${charset}`);
  await connection.end();
  return database;
}

interface Setting {
  readonly title: string;
  readonly open: () => Promise<TestDatabase>;
  readonly dataSource?: Partial<DataSourceOptions>;
  /** Sent on the only connection. */
  readonly session?: string;
}

const SETTINGS: readonly Setting[] = [
  ...(engines.includes('postgres')
    ? ['UTF8', 'LATIN1', 'SQL_ASCII', 'EUC_JP'].map((charset) => ({
        title: `a PostgreSQL database in ${charset}`,
        open: () => postgresIn(charset),
      }))
    : []),
  ...mysqlServers.flatMap((engine) => [
    ...['utf8mb4', 'utf8mb3', 'latin1', 'ascii', 'utf16'].map((charset) => ({
      title: `${engine} tables in ${charset}`,
      open: () => mysqlIn(engine, charset),
    })),
    {
      title: `${engine} tables and connections in latin1`,
      open: () => mysqlIn(engine, 'latin1'),
      dataSource: { charset: 'LATIN1_SWEDISH_CI' },
    },
    {
      title: `${engine} tables in latin1, where a question mark replaces what does not fit`,
      open: () => mysqlIn(engine, 'latin1'),
      dataSource: { poolSize: 1 },
      session: "SET SESSION sql_mode = ''",
    },
  ]),
];

/** As a sender composes a message of everything that it gets. */
function messageOf({ verboseName, state, context }: Delivery): string {
  const { details, meta, subject } = state;
  return JSON.stringify({ verboseName, subject, details, meta, context });
}

describe.each(SETTINGS)('On $title', ({ open, dataSource, session }) => {
  let test: TestApp | undefined;
  let database: TestDatabase | undefined;
  afterEach(async () => {
    await test?.close();
    await database?.drop();
  });

  it.each(Object.entries(TEXTS))(
    'a message has each text as it was given, and the proof is for exactly that: %s',
    async (_, text) => {
      const messages: string[] = [];
      let code = '';
      const send = (delivery: Delivery): void => {
        ({ code } = delivery);
        messages.push(messageOf(delivery));
      };
      database = await open();
      test = await startApp({
        database,
        ...(dataSource && { dataSource }),
        options: {
          senders: { default: { backend: functionalSenderBackend(send), verboseName: text } },
        },
      });
      if (session !== undefined) await test.dataSource.query(session);
      const { twoFactor, confirmer, clock } = test;
      const binding = { subject: text, details: { [text]: [text] } };
      const given = { meta: { note: text }, context: { name: text } };
      const expected = JSON.stringify({ verboseName: text, ...binding, ...given });
      const request = {
        token: 'ann@example.com',
        ...binding,
        ...given,
        idempotencyKey: 'a-key-of-one-request',
      };

      const { id } = await twoFactor.request(request);
      clock.advance(31);
      await twoFactor.resend(id);
      expect(messages).toEqual([expected, expected]);
      // A repeated request is recognised by what is stored.
      expect((await twoFactor.request(request)).id).toBe(id);

      const [state] = await confirmer.check(id);
      const { subject, details, meta } = state!;
      expect({ subject, details, meta }).toEqual({ ...binding, meta: given.meta });
      expect((await confirmer.confirm(id, code))[1]).toBe(true);
      for (const other of [
        text.slice(1),
        text.normalize('NFKD'),
        `${text}?`,
        '?'.repeat(text.length),
      ]) {
        if (other === text) continue;
        expect(await confirmer.use(id, { ...binding, subject: other })).toBe(false);
        expect(await confirmer.use(id, { ...binding, details: { [text]: [other] } })).toBe(false);
        expect(await confirmer.erase({ subject: other })).toBe(0);
      }
      expect(await confirmer.use(id, binding)).toBe(true);
      expect(await confirmer.erase({ subject: text })).toBe(1);
    },
  );

  it('the authenticators of a subject have each label as it was given, at first and after a change', async () => {
    database = await open();
    test = await startApp({
      database,
      ...(dataSource && { dataSource }),
      options: { methods: METHODS },
    });
    if (session !== undefined) await test.dataSource.query(session);
    const factors = factorsOf(test);
    const labelOf = async (subject: string): Promise<string | undefined> =>
      (await factors.list({ subject })).find(({ method }) => method === 'totp')?.label;

    for (const text of Object.values(TEXTS)) {
      const { factor: enrolled, secret } = await factors.enrol({
        subject: text,
        method: 'totp',
        label: text,
      });
      const whose = { subject: text, factor: enrolled.id };
      const response = new TestAuthenticator(secret, test.clock).code();
      await factors.activate({ ...whose, response });
      expect(await labelOf(text)).toBe(text);
      const changed = `${text.slice(-3)}, at work`;
      expect(await factors.rename({ ...whose, label: changed })).toBe(true);
      expect(await labelOf(text)).toBe(changed);
    }
  });
});
