import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { Test } from '@nestjs/testing';
import { simpleParser } from 'mailparser';
import { SMTPServer } from 'smtp-server';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';

import { twilioBackend } from '../../lib/backends/twilio/index.js';
import { defineSender, TwoFactorRecipientError, TwoFactorService } from '../../lib/index.js';
import { startGuide } from '../support/guide.js';
import { listen } from '../support/listen.js';
import { BOT, CREDENTIALS, GATEWAY, SNS, TWILIO } from '../support/provider-fixtures.js';
import { startProvider, type ProviderServer } from '../support/provider-server.js';
import { load, readPage, writePage } from '../support/snippets.js';
import { startApp } from '../support/test-app.js';

const page = await readPage('docs/guides/ready-made-senders.md');
const ends: (() => unknown)[] = [];

beforeAll(() => writePage(page));
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
  vi.unstubAllEnvs();
});

async function providerOf(fixture: typeof TWILIO): Promise<ProviderServer> {
  const server = await startProvider(fixture.usual);
  ends.push(() => server.close());
  return server;
}

describe('Ready-made senders', () => {
  it('delivers by each provider, by the second one of the failover, and to the service of the webhook', async () => {
    vi.stubEnv('WEBHOOK_KEY', CREDENTIALS.webhookKey);
    const { CodesController, pushed } = await load<{
      CodesController: new () => object;
      pushed: { to: string; text: string }[];
    }>(page, 'codes.controller.ts');
    const receiver = await Test.createTestingModule({ controllers: [CodesController] }).compile();
    const service = receiver.createNestApplication({ rawBody: true, logger: false });
    ends.push(() => service.close());
    const origin = await listen(service);

    const [twilio, sns, gateway, bot] = [
      await providerOf(TWILIO),
      await providerOf(SNS),
      await providerOf(GATEWAY),
      await providerOf(BOT),
    ];
    const values = {
      TWILIO_ACCOUNT_SID: CREDENTIALS.accountSid,
      TWILIO_AUTH_TOKEN: CREDENTIALS.authToken,
      TWILIO_MESSAGING_SERVICE_SID: CREDENTIALS.messagingServiceSid,
      TWILIO_URL: twilio.url,
      SNS_URL: sns.url,
      AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
      TELEGRAM_GATEWAY_TOKEN: CREDENTIALS.accessToken,
      TELEGRAM_GATEWAY_URL: gateway.url,
      TELEGRAM_BOT_TOKEN: CREDENTIALS.botToken,
      TELEGRAM_BOT_URL: bot.url,
      WEBHOOK_URL: `${origin}/codes`,
    };
    for (const [name, value] of Object.entries(values)) vi.stubEnv(name, value);
    const guide = await startGuide(page);
    ends.push(() => guide.close());
    const request = (way: string, token: string) =>
      guide.app.get(TwoFactorService).request({ token, way, purpose: way });

    await request('sms', '+15555550100');
    twilio.next({ status: 503 });
    await request('sms', '+15555550101');
    await request('telegram', '+15555550102');
    await request('bot', '7000001');
    await request('push', 'ann');

    expect(TWILIO.messageOf(twilio.accepted[0]!).text).toMatch(
      /^\d{6} is your ACME code\. It is valid for 10 minutes\. Do not share it\.$/,
    );
    expect(sns.accepted.map(SNS.messageOf)).toMatchObject([{ token: '+15555550101' }]);
    const form = new URLSearchParams(sns.accepted[0]?.body);
    const attributes = [...form]
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
    expect(gateway.accepted.map(GATEWAY.messageOf)).toMatchObject([{ token: '+15555550102' }]);
    expect(bot.accepted.map(BOT.messageOf)).toMatchObject([{ token: '7000001' }]);
    expect(pushed).toEqual([
      { to: 'ann', text: expect.stringMatching(/^\d{6} is your code/) as string },
    ]);

    const forged = await fetch(`${origin}/codes`, { method: 'POST', body: '{}' });
    expect(forged.status).toBe(401);
  });

  it('sends to the provider for tests, which refuses the number that can never be reached', async () => {
    const { fakeTwilio, texts } = await load<{
      fakeTwilio: Server;
      texts: { to: string; body: string }[];
    }>(page, 'fake-twilio.ts');
    fakeTwilio.listen(0, '127.0.0.1');
    await once(fakeTwilio, 'listening');
    ends.push(() => new Promise((resolve) => fakeTwilio.close(resolve)));
    const { port } = fakeTwilio.address() as AddressInfo;
    const options = {
      accountSid: CREDENTIALS.accountSid,
      authToken: CREDENTIALS.authToken,
      from: '+15555550199',
      baseUrl: `http://127.0.0.1:${port}`,
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

  it('mail.module.ts sends by MailerService', async () => {
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
    vi.stubEnv('SMTP_URL', `smtp://127.0.0.1:${(listening.address() as AddressInfo).port}`);
    const guide = await startGuide(page, { file: 'mail.module.ts', module: 'MailModule' });
    ends.push(() => guide.close());
    await guide.app.get(TwoFactorService).request({ token: 'ann@example.com' });

    expect(texts).toEqual([
      expect.stringMatching(/^<[\w-]{16}@acme\.example> Your ACME code: \d{6}/) as string,
    ]);
  });
});
