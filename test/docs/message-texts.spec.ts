import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { DynamicModule, Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import { I18nModule } from 'nestjs-i18n';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';

import {
  DefaultMessageRenderer,
  functionalSenderBackend,
  smsSegments,
  TwoFactorModule,
  twoFactorMigrations,
  TwoFactorSendError,
  TwoFactorService,
  type RenderedMessage,
  type TwoFactorModuleExtras,
} from '../../lib/index.js';
import { BUILT_IN_TEXTS } from '../../lib/messages/index.js';
import { secretOf } from '../support/secret.js';
import { startGuide, type Guide } from '../support/guide.js';
import { load, readPage, writePage } from '../support/snippets.js';

const page = await readPage('docs/guides/message-texts.md');
const ends: (() => Promise<unknown>)[] = [];

beforeAll(() => writePage(page));
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

describe('Message texts', () => {
  let guide: Guide;
  let sent: { to: string; text: string }[];

  const open = async (): Promise<void> => {
    guide = await startGuide(page);
    ends.push(() => guide.close());
    ({ sent } = await load<{ sent: typeof sent }>(page, 'app.module.ts'));
    sent.length = 0;
  };
  const ask = async (purpose: string, language?: string, details?: object): Promise<string> => {
    const more = { ...(language && { context: { language } }), ...(details && { details }) };
    await guide.app
      .get(TwoFactorService)
      .request({ token: '+15555550123', purpose, ...(more as object) });
    return sent.at(-1)!.text.replaceAll(/\d{6}/g, '042317');
  };

  it('writes the two messages of the page, and a language of its own', async () => {
    await open();
    const details = { amount: '120.00', payee: 'Bob' };
    const [english, german] = [...page.text.matchAll(/```text\n([\s\S]*?)\n```/g)].map(
      ([, text]) => text,
    );

    expect(await ask('payment', undefined, details)).toBe(english);
    expect(await ask('payment', 'de-AT', details)).toBe(german);
    expect(await ask('login', 'nl')).toMatch(
      /^ACME Bank: 042317 is uw code om in te loggen\. Hij is 10 minuten geldig\./,
    );
    expect(await ask('close-account')).toContain('code to close your account.');
  });

  it('has a row for every text of a language, and tells what Polish letters cost', () => {
    const [, english] = [...BUILT_IN_TEXTS].find(([language]) => language === 'en')!;
    for (const name of Object.keys(english)) expect(page.text).toContain(`| \`${name}\` `);
    const [, letters = ''] = /of Polish (`.+?`):/.exec(page.text.replaceAll('\n', ' ')) ?? [];
    const polish = [...letters.matchAll(/\p{L}(?=`)/gu)].map(([letter]) => letter);
    expect(polish).toHaveLength(9);
    for (const letter of polish) expect(smsSegments(letter).alphabet, letter).toBe('UCS-2');
    for (const letter of 'äöüßéè') expect(smsSegments(letter).alphabet, letter).toBe('GSM-7');
    for (const letter of 'êç') expect(smsSegments(letter).alphabet, letter).toBe('UCS-2');
    expect(
      new Intl.NumberFormat('pl', { style: 'unit', unit: 'minute', unitDisplay: 'long' }).format(
        10,
      ),
    ).toMatch(/^10\sminut$/);
  });

  it('says how many segments the texts of the module take, without and with what is approved', () => {
    const renderer = new DefaultMessageRenderer({
      texts: BUILT_IN_TEXTS,
      language: 'en',
      host: 'bank.example',
    });
    const segmentsOf = (language: string, purpose: string, approves: readonly string[]): number => {
      const { sms } = renderer.render({
        code: '042317',
        purpose,
        approves,
        language,
        expiresInSeconds: 600,
        product: 'ACME Bank',
        way: 'sms',
      });
      return smsSegments(sms).segments;
    };
    const found = [...BUILT_IN_TEXTS].map(([language, { purposes }]) => {
      const payee = language === 'en' ? 'Pay 120.00 EUR to Bob' : '120.00 EUR, Bob';
      const bare = Object.keys(purposes).map((purpose) => segmentsOf(language, purpose, []));
      return [language, [...new Set(bare)], segmentsOf(language, 'payment', [payee])];
    });

    expect(found).toEqual([
      ['en', [1], 1],
      ['de', [1], 2],
      ['es', [1], 2],
      ['fr', [1], 2],
      ['pt', [2], 3],
      ['pt-BR', [2], 3],
      ['uk', [2], 3],
    ]);
    const words = page.text.replaceAll(/\s+/g, ' ');
    expect(words).toContain(
      'take one segment in English, French, German and Spanish, and two in Portuguese and Ukrainian.',
    );
    expect(words).toContain(
      'takes one in English, two in French, German and Spanish, and three in Portuguese and Ukrainian.',
    );
  });

  it('sends nothing for a payment without its details', async () => {
    await open();
    await expect(ask('payment')).rejects.toBeInstanceOf(TwoFactorSendError);
    expect(sent).toEqual([]);
  });

  it('takes the texts from nestjs-i18n', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'i18n-'));
    ends.push(() => rm(folder, { recursive: true }));
    await mkdir(join(folder, 'en'));
    const json = /```json\n([\s\S]*?)\n```/.exec(page.text)![1]!;
    await writeFile(join(folder, 'en/two-factor.json'), json);
    const { i18nMessages } = await load<{ i18nMessages: TwoFactorModuleExtras }>(
      page,
      'i18n.messages.ts',
    );
    let message: RenderedMessage | undefined;
    const imports: (DynamicModule | Type<object>)[] = [
      TypeOrmModule.forRoot({
        type: 'sqljs',
        autoLoadEntities: true,
        migrations: [...twoFactorMigrations],
        migrationsRun: true,
      }),
      I18nModule.forRoot({
        fallbackLanguage: 'en',
        loaderOptions: { path: folder, watch: false },
        logging: false,
      }),
      TwoFactorModule.forRoot({
        ...i18nMessages,
        secret: secretOf('message texts'),
        senders: {
          default: {
            backend: functionalSenderBackend(async ({ render }) => {
              message = await render();
            }),
          },
        },
      }),
    ];
    const app = (await Test.createTestingModule({ imports }).compile()).createNestApplication();
    ends.push(() => app.close());
    await app.init();
    await app
      .get(TwoFactorService)
      .request({ token: 'ann@example.com', context: { language: 'fr' }, details: { amount: 1 } });

    expect(message?.subject).toBe('Your code');
    expect(message?.sms).toMatch(
      /^\d{6} is your code\. Amount: 1 It is valid for 10 min\. Do not share it\.$/,
    );
  });
});
