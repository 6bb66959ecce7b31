// What mail servers refuse or never answer, and which connections to them stay open.
import { once } from 'node:events';
import { createServer } from 'node:net';

import { createTransport } from 'nodemailer';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { emailBackend, type EmailOptions } from '../../lib/backends/email/index.js';
import {
  defineSender,
  TwoFactorRecipientError,
  TwoFactorSendError,
  type TwoFactorModuleOptions,
} from '../../lib/index.js';
import { startScriptedSmtpServer } from '../support/scripted-smtp-server.js';
import { startApp } from '../support/test-app.js';
import { ends, failure, FROM, startWith } from './email-fixtures.js';
import { startMailServer, TOKEN, urlOf, type MailServer } from './mail-server.js';

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

describe('a mail server', () => {
  it.each([
    [550, 'no such user here: ann@example.com'],
    [553, 'mailbox name not allowed'],
    [551, 'user not local'],
  ])(
    'that refuses the recipient by %i causes a TwoFactorRecipientError, and no second connection',
    async (responseCode, text) => {
      const server = await startMailServer({ responseCode, text });
      const app = await startWith({ transport: server.url, from: FROM });
      const error = await failure(app.twoFactor.request({ token: TOKEN }));
      expect(error).toBeInstanceOf(TwoFactorRecipientError);
      expect((error as Error).message).toBe('The mail server refuses this address.');
      expect(server.connections).toBe(1);
    },
  );

  it('that defers the recipient by 451 may be asked again', async () => {
    const server = await startMailServer({ responseCode: 451, text: `later, ${TOKEN}` });
    const app = await startWith({ transport: server.url, from: FROM });
    const error = await failure(app.twoFactor.request({ token: TOKEN }));
    expect(error).toBeInstanceOf(TwoFactorSendError);
    const { resendAt, cause } = error as TwoFactorSendError;
    expect(resendAt).toEqual(new Date(app.clock.now() + 5_000));
    expect((cause as Error).message).toContain('451 later, ***');
    expect((cause as Error).message).not.toContain(TOKEN);
  });

  it('that refuses the connection may be asked again', async () => {
    const closed = createServer();
    closed.listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const transport = urlOf(closed);
    closed.close();
    await once(closed, 'close');
    const app = await startWith({ transport, from: FROM });
    const error = await failure(app.twoFactor.request({ token: TOKEN }));
    expect(error).toBeInstanceOf(TwoFactorSendError);
    expect(((error as Error).cause as Error).message).toContain('ECONNREFUSED');
  });

  it('that never answers is abandoned after sendTimeoutMs', async () => {
    const silent = createServer();
    const sockets = new Set<{ destroy(): void }>();
    silent.on('connection', (socket) => sockets.add(socket));
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    ends.push(async () => {
      for (const socket of sockets) socket.destroy();
      silent.close();
      await once(silent, 'close');
    });
    const app = await startWith({ transport: urlOf(silent), from: FROM }, { sendTimeoutMs: 3_000 });
    const error = await failure(app.twoFactor.request({ token: TOKEN }));
    expect(error).toBeInstanceOf(TwoFactorSendError);
    expect((error as Error).cause).toEqual(new Error('no answer within 3000 ms'));
    expect(sockets.size).toBe(1);
  });
});

describe('a pool of connections', () => {
  it.each([
    [
      'by its options',
      (server: MailServer) => ({ host: '127.0.0.1', port: portOf(server), pool: true }),
    ],
    ['by its URL', (server: MailServer) => `${server.url}?pool=true`],
  ])('that the module made %s is closed at shutdown', async (_, transportOf) => {
    const server = await startMailServer();
    const app = await startApp({ options: { senders: senderOf(transportOf(server)) } });
    await app.twoFactor.request({ token: TOKEN });
    expect(server.open()).toBe(1);
    await app.close();
    await vi.waitFor(() => expect(server.open()).toBe(0), 60_000);
  });

  it('sends no mail later that waited for a connection when its call was aborted', async () => {
    const relay = await startScriptedSmtpServer();
    ends.push(() => relay.close());
    const transport = createTransport({
      host: '127.0.0.1',
      port: relay.port,
      pool: true,
      maxConnections: 1,
      // Longer than both calls, so that the connection is still held when they end.
      socketTimeout: 6_000,
    });
    ends.push(async () => transport.close());
    const app = await startApp({
      options: { senders: senderOf(transport), sendTimeoutMs: 3_000 },
    });
    ends.push(() => app.close());
    relay.fail('END', 'silent');
    // The first mail holds the only connection, and the second one waits for it. Both calls end before the server answers.
    const asked = ['ann', 'bob'].map((name) =>
      failure(app.twoFactor.request({ token: `${name}@example.com` })),
    );
    for (const error of await Promise.all(asked)) expect(error).toBeInstanceOf(TwoFactorSendError);
    relay.recover();
    await transport.sendMail({ from: FROM, to: TOKEN, subject: 's', text: 't' });

    // The first mail and the one of the test.
    expect(relay.received).toBe(2);
  });

  it('that the application made stays open', async () => {
    const server = await startMailServer();
    const transport = createTransport({ host: '127.0.0.1', port: portOf(server), pool: true });
    ends.push(async () => transport.close());
    const app = await startApp({ options: { senders: senderOf(transport) } });
    await app.twoFactor.request({ token: TOKEN });
    await app.close();
    await transport.sendMail({ from: FROM, to: TOKEN, subject: 's', text: 't' });
    expect(server.mails).toHaveLength(2);
  });
});

function portOf({ url }: MailServer): number {
  return Number(new URL(url).port);
}

function senderOf(transport: EmailOptions['transport']): TwoFactorModuleOptions['senders'] {
  return { default: defineSender(emailBackend, { options: { transport, from: FROM } }) };
}
