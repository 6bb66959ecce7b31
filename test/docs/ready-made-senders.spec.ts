// The applications of the guides for providers, each against a double of its provider, and the servers for tests that the guides show.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { Test } from '@nestjs/testing';
import { simpleParser } from 'mailparser';
import { SMTPServer } from 'smtp-server';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';

import { emailBackend, type MailTransport } from '../../lib/backends/email/index.js';
import { twilioBackend } from '../../lib/backends/twilio/index.js';
import { defineSender, TwoFactorRecipientError, TwoFactorService } from '../../lib/index.js';
import { startGuide, type Guide } from '../support/guide.js';
import { KEEP_ALIVE_MS, listen } from '../support/listen.js';
import { CREDENTIALS, SNS, TWILIO } from '../support/provider-fixtures.js';
import { startProvider, type ProviderServer } from '../support/provider-server.js';
import { load, readPage, writePage, type Page } from '../support/snippets.js';
import { startApp } from '../support/test-app.js';

const twilioPage = await readPage('docs/guides/twilio.md');
const snsPage = await readPage('docs/guides/amazon-sns.md');
const telegramPage = await readPage('docs/guides/telegram.md');
const webhookPage = await readPage('docs/guides/webhook.md');
const emailPage = await readPage('docs/guides/email.md');
const failoverPage = await readPage('docs/guides/failover.md');
const pages = [twilioPage, snsPage, telegramPage, webhookPage, emailPage, failoverPage];

const TEXT = /^\d{6} is your ACME code\. It is valid for 10 minutes\. Do not share it\.$/;
const ends: (() => unknown)[] = [];

beforeAll(() => Promise.all(pages.map(writePage)));
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
  vi.unstubAllEnvs();
});

async function providerOf(fixture: typeof TWILIO): Promise<ProviderServer> {
  const server = await startProvider(fixture.usual);
  ends.push(() => server.close());
  return server;
}

/** Starts the server of a page on a free port. */
async function portOf(server: Server): Promise<number> {
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.push(() => new Promise((resolve) => server.close(resolve)));
  return (server.address() as AddressInfo).port;
}

/** A page reads the environment when it is loaded, which it is once. */
async function start(
  page: Page,
  env: Readonly<Record<string, string>>,
  input?: Parameters<typeof startGuide>[1],
): Promise<Guide> {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  const guide = await startGuide(page, input);
  ends.push(() => guide.close());
  return guide;
}

function request(guide: Guide, way: string, token: string): Promise<unknown> {
  return guide.app.get(TwoFactorService).request({ token, way });
}

const TWILIO_ENV = {
  TWILIO_ACCOUNT_SID: CREDENTIALS.accountSid,
  TWILIO_AUTH_TOKEN: CREDENTIALS.authToken,
  TWILIO_MESSAGING_SERVICE_SID: CREDENTIALS.messagingServiceSid,
};
const AWS_ENV = {
  AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
  AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
};

describe('Twilio', () => {
  it('sends by the key and the messaging service', async () => {
    const twilio = await providerOf(TWILIO);
    const apiKey = `SK${randomBytes(16).toString('hex')}`;
    const apiKeySecret = randomBytes(16).toString('hex');
    const guide = await start(twilioPage, {
      TWILIO_ACCOUNT_SID: CREDENTIALS.accountSid,
      TWILIO_API_KEY: apiKey,
      TWILIO_API_KEY_SECRET: apiKeySecret,
      TWILIO_MESSAGING_SERVICE_SID: CREDENTIALS.messagingServiceSid,
      TWILIO_URL: twilio.url,
    });
    await request(guide, 'sms', '+15555550100');

    const [call] = twilio.accepted;
    expect(TWILIO.messageOf(call!).text).toMatch(TEXT);
    expect(call!.headers.authorization).toBe(
      `Basic ${Buffer.from(`${apiKey}:${apiKeySecret}`).toString('base64')}`,
    );
    const { messagingServiceSid } = CREDENTIALS;
    expect(new URLSearchParams(call!.body).get('MessagingServiceSid')).toBe(messagingServiceSid);
  });

  it('sends to the provider for tests, which refuses the number that can never be reached', async () => {
    const { fakeTwilio, texts } = await load<{
      fakeTwilio: Server;
      texts: { to: string; body: string }[];
    }>(twilioPage, 'fake-twilio.ts');
    const options = {
      accountSid: CREDENTIALS.accountSid,
      authToken: CREDENTIALS.authToken,
      from: '+15555550199',
      baseUrl: `http://127.0.0.1:${await portOf(fakeTwilio)}`,
      product: 'ACME',
    };
    const sms = defineSender(twilioBackend, { options });
    const app = await startApp({ options: { defaultSender: 'sms', senders: { sms } } });
    ends.push(() => app.close());
    const twoFactor = app.app.get(TwoFactorService);

    await twoFactor.request({ token: '+15555550100' });
    const body = expect.stringMatching(/^\w+ is your ACME code/) as string;
    expect(texts).toEqual([{ to: '+15555550100', body }]);
    const refused = twoFactor.request({ token: '+15005550001' });
    await expect(refused).rejects.toBeInstanceOf(TwoFactorRecipientError);
    expect(texts).toHaveLength(1);
  });
});

describe('Amazon SNS', () => {
  it('sends with the name, the type and the price of the module, to the server for tests', async () => {
    const { fakeSns, texts } = await load<{
      fakeSns: Server;
      texts: { to: string; body: string }[];
    }>(snsPage, 'fake-sns.ts');
    const bodies: string[] = [];
    fakeSns.prependListener('request', (call: NodeJS.ReadableStream) => {
      const parts: Buffer[] = [];
      call.on('data', (part: Buffer) => parts.push(part));
      call.on('end', () => bodies.push(Buffer.concat(parts).toString()));
    });
    const SNS_URL = `http://127.0.0.1:${await portOf(fakeSns)}`;
    const guide = await start(snsPage, { ...AWS_ENV, SNS_URL });
    await request(guide, 'sms', '+15555550101');

    expect(texts).toEqual([{ to: '+15555550101', body: expect.stringMatching(TEXT) as string }]);
    const attributes = [...new URLSearchParams(bodies[0])]
      .filter(([name]) => name.startsWith('MessageAttributes'))
      .map(([, value]) => value);
    expect(attributes).toEqual(
      expect.arrayContaining([
        'AWS.SNS.SMS.MaxPrice',
        '0.10',
        'AWS.SNS.SMS.SenderID',
        'ACME',
        'Transactional',
      ]),
    );
  });
});

describe('Telegram', () => {
  it('sends by the Gateway and by the bot, to the server for tests', async () => {
    const { fakeTelegram, messages } = await load<{
      fakeTelegram: Server;
      messages: { to: string; text: string }[];
    }>(telegramPage, 'fake-telegram.ts');
    const url = `http://127.0.0.1:${await portOf(fakeTelegram)}`;
    const guide = await start(telegramPage, {
      TELEGRAM_GATEWAY_TOKEN: CREDENTIALS.accessToken,
      TELEGRAM_BOT_TOKEN: CREDENTIALS.botToken,
      TELEGRAM_GATEWAY_URL: url,
      TELEGRAM_BOT_URL: url,
    });
    const twoFactor = guide.app.get(TwoFactorService);
    await twoFactor.request({ token: '+15555550102', purpose: 'verify-number' });
    await twoFactor.request({ token: '7000001', way: 'bot', purpose: 'login', subject: 'ann' });

    expect(messages).toEqual([
      { to: '+15555550102', text: expect.stringMatching(/^\d{6}$/) as string },
      {
        to: '7000001',
        text: expect.stringMatching(/^ACME: Your code to sign in: \d{6}/) as string,
      },
    ]);
  });
});

describe('Webhook', () => {
  it('delivers to the service, which refuses what is not signed', async () => {
    vi.stubEnv('WEBHOOK_KEY', CREDENTIALS.webhookKey);
    const { CodesController, pushed } = await load<{
      CodesController: new () => object;
      pushed: { to: string; text: string }[];
    }>(webhookPage, 'codes.controller.ts');
    const receiver = await Test.createTestingModule({ controllers: [CodesController] }).compile();
    const service = receiver.createNestApplication({ rawBody: true, logger: false });
    ends.push(() => service.close());
    const origin = await listen(service);

    const guide = await start(webhookPage, { WEBHOOK_URL: `${origin}/codes` });
    await request(guide, 'push', 'ann');

    expect(pushed).toEqual([{ to: 'ann', text: expect.stringMatching(TEXT) as string }]);
    const forged = await fetch(`${origin}/codes`, { method: 'POST', body: '{}' });
    expect(forged.status).toBe(401);
  });
});

describe('E-mail', () => {
  async function smtp(): Promise<{ url: string; texts: string[] }> {
    const texts: string[] = [];
    const server = new SMTPServer({
      authOptional: true,
      disabledCommands: ['AUTH', 'STARTTLS'],
      onData(stream, _, done) {
        simpleParser(stream, (error: Error | null, mail) => {
          texts.push(`${mail?.messageId} ${mail?.text}`);
          done(error);
        });
      },
    });
    const listening = server.listen(0, '127.0.0.1');
    await once(listening, 'listening');
    ends.push(() => new Promise<void>((resolve) => server.close(() => resolve())));
    const { port } = listening.address() as AddressInfo;
    return { url: `smtp://127.0.0.1:${port}`, texts };
  }

  it.each([
    ['app.module.ts', 'AppModule', 'nodemailer'],
    ['mail.module.ts', 'MailModule', 'MailerService'],
  ])('%s sends a mail (%s, through %s)', async (file, module) => {
    const { url, texts } = await smtp();
    const guide = await start(emailPage, { SMTP_URL: url }, { file, module });
    await request(guide, 'default', 'ann@example.com');

    expect(texts).toEqual([
      expect.stringMatching(/^<[\w-]{16}@acme\.example> ACME: Your code: \d{6}/) as string,
    ]);
  });

  it('keeps mails for tests, and is refused as the page says', async () => {
    const { fakeMail, mails } = await load<{
      fakeMail: MailTransport;
      mails: { to: { address: string }; text: string }[];
    }>(emailPage, 'fake-mail.ts');
    const options = { transport: fakeMail, from: 'ACME <no-reply@acme.example>' };
    const app = await startApp({
      options: { senders: { default: defineSender(emailBackend, { options }) } },
    });
    ends.push(() => app.close());
    const twoFactor = app.app.get(TwoFactorService);
    await twoFactor.request({ token: 'ann@example.com' });
    expect(mails.map(({ to }) => to.address)).toEqual(['ann@example.com']);

    const answer = { responseCode: 550, command: 'RCPT TO', response: '550 5.1.1 No such user' };
    expect(emailPage.text).toContain(
      "{ responseCode: 550, command: 'RCPT TO', response: '550 5.1.1 No such user' }",
    );
    vi.spyOn(fakeMail, 'sendMail').mockRejectedValue(Object.assign(new Error(), answer));
    const refused = twoFactor.request({ token: 'bob@example.com' });
    await expect(refused).rejects.toBeInstanceOf(TwoFactorRecipientError);
  });
});

describe('Failover', () => {
  it('sends by the second sender when the first is down, and passes over an account that is refused', async () => {
    const [twilio, sns] = [await providerOf(TWILIO), await providerOf(SNS)];
    const urls = { TWILIO_URL: twilio.url, SNS_URL: sns.url };
    const guide = await start(failoverPage, { ...TWILIO_ENV, ...AWS_ENV, ...urls });

    await request(guide, 'sms', '+15555550100');
    twilio.next({ status: 503 });
    await request(guide, 'sms', '+15555550101');
    expect(TWILIO.messageOf(twilio.accepted[0]!).text).toMatch(TEXT);
    expect(sns.accepted.map(SNS.messageOf)).toMatchObject([{ token: '+15555550101' }]);

    twilio.next(TWILIO.ours);
    await request(guide, 'sms', '+15555550102');
    await request(guide, 'sms', '+15555550103');
    expect(twilio.calls).toHaveLength(3);
    expect(sns.accepted).toHaveLength(3);
  });
});
