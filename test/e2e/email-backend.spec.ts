import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import type { Readable } from 'node:stream';

import { simpleParser, type AddressObject, type ParsedMail } from 'mailparser';
import { createTransport } from 'nodemailer';
import { SMTPServer } from 'smtp-server';
import { afterEach, describe, expect, it, vi } from 'vitest';

import {
  emailBackend,
  type EmailMessage,
  type EmailOptions,
} from '../../lib/backends/email/index.js';
import {
  defineSender,
  TwoFactorConfigurationError,
  TwoFactorRecipientError,
  TwoFactorSendError,
  type TwoFactorModuleOptions,
} from '../../lib/index.js';
import { startScriptedSmtpServer } from '../support/scripted-smtp-server.js';
import { startApp } from '../support/test-app.js';
import { FROM, ends, startWith, failure, countingTransport } from './email-fixtures.js';

const TOKEN = 'ann@example.com';

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

/** A mail server on loopback that keeps what it gets. */
interface MailServer {
  readonly url: string;
  readonly mails: ParsedMail[];
  /** The envelopes: who the mails were really handed to. */
  readonly recipients: string[];
  connections: number;
  /** The connections that are open now. */
  open(): number;
}

async function startMailServer(refusal?: {
  readonly responseCode: number;
  readonly text: string;
}): Promise<MailServer> {
  const kept: MailServer = {
    url: '',
    mails: [],
    recipients: [],
    connections: 0,
    open: () => server.connections.size,
  };
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    onConnect(_, done) {
      kept.connections += 1;
      done();
    },
    onRcptTo({ address }, _, done) {
      if (refusal) {
        done(Object.assign(new Error(refusal.text), { responseCode: refusal.responseCode }));
        return;
      }
      kept.recipients.push(address);
      done();
    },
    onData(stream: Readable, _, done) {
      simpleParser(stream, (error: Error | null, mail) => {
        if (!error) kept.mails.push(mail);
        done(error);
      });
    },
  });
  const listening = server.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  ends.push(() => new Promise<void>((resolve) => server.close(() => resolve())));
  return Object.assign(kept, { url: urlOf(listening) });
}

function urlOf(server: Server): string {
  return `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('a code by e-mail', () => {
  it('arrives as text and as HTML, and is not in the subject or any other header', async () => {
    const server = await startMailServer();
    const app = await startWith({ transport: server.url, from: FROM, product: 'ACME' });
    const { state } = await app.twoFactor.request({ token: TOKEN });

    expect(server.mails).toHaveLength(1);
    const [mail] = server.mails;
    const code = state.code ?? '';
    expect(code).toHaveLength(20);
    expect(mail?.subject).toBe('Your ACME code');
    expect(mail?.text).toBe(
      `Your ACME code: ${code}\n\nIt is valid for 10 minutes. Do not share it with anyone. We will never ask you for it.\n`,
    );
    expect(mail?.html).toContain(`>${code}<`);
    expect(mail?.html).toContain('We will never ask you for it.');
    const headers = mail?.headerLines.map(({ line }) => line).join('\n') ?? '';
    expect(headers).toContain('Subject: Your ACME code');
    expect(headers).not.toContain(code);
    expect(mail?.from?.value).toEqual([{ name: 'ACME Bank', address: 'no-reply@acme.example' }]);
    expect((mail?.to as AddressObject | undefined)?.value).toEqual([{ name: '', address: TOKEN }]);
    expect(server.recipients).toEqual([TOKEN]);

    const [, confirmed] = await app.confirmer.confirm(state.id, code);
    expect(confirmed).toBe(true);
  });

  it('names no product when none is configured', async () => {
    const server = await startMailServer();
    const app = await startWith({ transport: server.url, from: FROM });
    await app.twoFactor.request({ token: TOKEN, ttlSeconds: 60 });
    expect(server.mails[0]?.subject).toBe('Your code');
    expect(server.mails[0]?.text).toContain(
      'It is valid for 1 minute. Do not share it with anyone.',
    );
  });

  it('shows the approved details line by line, as text and never as HTML', async () => {
    const server = await startMailServer();
    const app = await startWith({ transport: server.url, from: FROM, product: 'A&B <Bank>' });
    await app.twoFactor.request({
      token: TOKEN,
      details: {
        amount: '10.00 <b>EUR</b>',
        payee: 'Eve & "Sons" \'ltd\' {{constructor}} %s',
        hidden: '1111\u200b\ufeff\u00ad',
        '<script>x</script>': { nested: ['<i>'] },
      },
    });
    const [mail] = server.mails;
    const text = mail?.text ?? '';
    expect(text.split('\n').slice(1, -2)).toEqual([
      '',
      'Enter this code only if you want to approve:',
      '  <script>x</script>: {"nested":["<i>"]}',
      '  Amount: 10.00 <b>EUR</b>',
      '  Hidden: 1111   ',
      '  Payee: Eve & "Sons" \'ltd\' {{constructor}} %s',
      '',
    ]);
    const html = String(mail?.html);
    expect(html).toContain('<b>Amount: 10.00 &lt;b&gt;EUR&lt;/b&gt;</b>');
    expect(html).toContain(
      '<b>Payee: Eve &amp; &quot;Sons&quot; &#39;ltd&#39; {{constructor}} %s</b>',
    );
    expect(html).toContain('<b>&lt;script&gt;x&lt;/script&gt;: ');
    expect(html).toContain('>A&amp;B &lt;Bank&gt;</p>');
    for (const tag of ['<script', '<b>EUR', '<i>', '<Bank>', '\u200b']) {
      expect(html).not.toContain(tag);
    }
    // Only our own line begins with the code.
    expect(
      text.split('\n').filter((line) => line.startsWith('Your A&B <Bank> code: ')),
    ).toHaveLength(1);
  });

  it.each<[string, unknown, string]>([
    ['a text', 'Log in at <home>', '  Log in at <home>'],
    ['a number', 7, '  7'],
    ['a list', ['a', { b: 1 }], '  0: a\n  1: {"b":1}'],
  ])('shows details that are %s', async (_, details, lines) => {
    const server = await startMailServer();
    const app = await startWith({ transport: server.url, from: FROM });
    await app.twoFactor.request({ token: TOKEN, details: details as string });
    expect(server.mails[0]?.text).toContain(`approve:\n${lines}\n\nIt is valid`);
  });

  it('goes through a transport that the application made, or by its options', async () => {
    const server = await startMailServer();
    const { hostname: host, port } = new URL(server.url);
    for (const transport of [
      createTransport({ host, port: Number(port) }),
      { host, port: Number(port) },
    ]) {
      const app = await startWith({
        transport,
        from: FROM,
      });
      await app.twoFactor.request({ token: TOKEN });
    }
    expect(server.mails).toHaveLength(2);
  });

  it('may be written by the application, which sees the whole delivery', async () => {
    const server = await startMailServer();
    const app = await startWith({
      transport: server.url,
      from: FROM,
      compose: async ({ code, context, state, options, verboseName }) => ({
        subject: `${JSON.stringify(context)} ${state.purpose}`,
        text: `${verboseName} ${options.from} ${code}`,
      }),
    });
    const { state } = await app.twoFactor.request({
      token: TOKEN,
      purpose: 'login',
      context: { locale: 'uk' },
    });
    expect(server.mails[0]).toMatchObject({
      subject: '{"locale":"uk"} login',
      text: `default ${FROM} ${state.code}\n`,
      html: false,
    });
  });

  it('goes to the token alone, from the configured address, whatever is composed', async () => {
    const server = await startMailServer();
    const app = await startWith({
      transport: server.url,
      from: FROM,
      compose: ({ code }) => {
        const message = {
          subject: 'Hello',
          bcc: 'eve@evil.example',
          text: code,
          to: 'eve@evil.example',
          from: 'eve@evil.example',
        };
        return message;
      },
    });
    await app.twoFactor.request({ token: TOKEN });
    expect(server.recipients).toEqual([TOKEN]);
    expect(server.mails[0]?.from?.text).toContain('no-reply@acme.example');
    expect(server.mails[0]?.bcc).toBeUndefined();
  });

  it.each([
    ['a line break', 'Hello\r\nBcc: eve@evil.example'],
    ['a line separator', 'Hello\u2028@bank.example #123456'],
    ['a direction override', 'Hello \u202e654321'],
  ])('is not sent, nor worth repeating, when its composed subject has %s', async (_, subject) => {
    const server = await startMailServer();
    const app = await startWith({
      transport: server.url,
      from: FROM,
      compose: ({ code }) => ({ subject, text: code }),
    });
    const error = await failure(app.twoFactor.request({ token: TOKEN }));
    expect(error).toBeInstanceOf(TwoFactorConfigurationError);
    expect((error as Error).message).toMatch(/^The compose of sender default made a subject that/);
    expect(server.mails).toHaveLength(0);
  });

  it.each([
    ['product', { product: 'ACME\nYour code is 111111' }],
    ['from', { from: 'ACME \u202e<no-reply@acme.example>' }],
  ])('does not boot when its %s is not one plain line', async (_, options) => {
    const error = await failure(
      startWith({ transport: 'smtp://localhost:1', from: FROM, ...options }),
    );
    expect(error).toBeInstanceOf(TwoFactorConfigurationError);
    expect((error as Error).message).toContain('one line without control characters');
  });

  it.each([
    ['a line break in the value', { 'X-Tag': 'a\r\nBcc: eve@evil.example' }],
    ['a line feed in the name', { 'X-Tag\nBcc': 'eve@evil.example' }],
    ['a colon in the name', { 'Bcc: eve@evil.example\r\nX': 'a' }],
    ['an empty name', { '': 'a' }],
    ['a value that is no text', { 'X-Tag': ['a', 'b'] }],
    ['another recipient', { bCC: 'eve@evil.example' }],
    ['another sender', { From: 'eve@evil.example' }],
    ['another content', { 'content-type': 'text/html' }],
    ['another way to answer', { 'Auto-Submitted': 'no' }],
  ])('is not sent when the headers that compose returns have %s', async (_, headers) => {
    const server = await startMailServer();
    const app = await startWith({
      transport: server.url,
      from: FROM,
      compose: ({ code }) => ({
        subject: 'Hello',
        text: code,
        headers: headers as unknown as Record<string, string>,
      }),
    });
    const error = await failure(app.twoFactor.request({ token: TOKEN }));
    expect(error).toBeInstanceOf(TwoFactorConfigurationError);
    expect((error as Error).message).toMatch(
      /^The compose of sender default made the header ".*", which it may not set/,
    );
    expect(server.connections).toBe(0);
  });

  it('has the headers that compose returns, and asks mail servers for no automatic answer', async () => {
    const server = await startMailServer();
    const app = await startWith({
      transport: server.url,
      from: FROM,
      compose: ({ code }) => ({
        subject: 'Hello',
        text: code,
        headers: { 'X-Entity-Ref-ID': 'order 7' },
      }),
    });
    await app.twoFactor.request({ token: TOKEN });
    const plain = await startWith({ transport: server.url, from: FROM });
    await plain.twoFactor.request({ token: TOKEN });
    expect(server.mails[0]?.headers.get('x-entity-ref-id')).toBe('order 7');
    for (const { headers } of server.mails) {
      expect(headers.get('auto-submitted')).toBe('auto-generated');
      expect(headers.get('x-auto-response-suppress')).toBe('All');
    }
    expect(server.mails).toHaveLength(2);
  });

  it('goes to the token alone when an envelope or a whole message is composed', async () => {
    const server = await startMailServer();
    const app = await startWith({
      transport: server.url,
      from: FROM,
      compose: ({ code }) => {
        const message = {
          subject: 'Hello',
          text: code,
          envelope: { from: 'eve@evil.example', to: ['eve@evil.example'] },
          raw: 'To: eve@evil.example\r\n\r\nHello',
        };
        return message;
      },
    });
    await app.twoFactor.request({ token: TOKEN });
    expect(server.recipients).toEqual([TOKEN]);
    expect(server.mails[0]?.subject).toBe('Hello');
  });

  it('has HTML with a title, a language and a direction, for light and dark, and no phone links', async () => {
    const server = await startMailServer();
    const app = await startWith({ transport: server.url, from: FROM, product: 'A&B' });
    await app.twoFactor.request({ token: TOKEN });
    const html = String(server.mails[0]?.html);
    expect(html).toContain('<html lang="en" dir="ltr">');
    expect(html).toContain('<title>Your A&amp;B code</title>');
    expect(html).toContain('<meta name="color-scheme" content="light dark">');
    expect(html).toMatch(/<meta name="format-detection" content="telephone=no[^"]*">/);
    expect(html).toMatch(/^<!doctype html>/);
  });

  it('reads no file and fetches no URL for a composed message', async () => {
    const server = await startMailServer();
    const app = await startWith({
      transport: server.url,
      from: FROM,
      compose: ({ code }) => {
        const attachments = [{ path: '/etc/hostname' }];
        const message = { subject: 's', text: code, attachments };
        return message;
      },
    });
    const error = await failure(app.twoFactor.request({ token: TOKEN }));
    expect(error).toBeInstanceOf(TwoFactorSendError);
    expect(server.mails).toHaveLength(0);
  });

  it.each<[string, (code: string) => unknown]>([
    ['nothing', () => undefined],
    ['a text', (code) => code],
    ['no subject', (code) => ({ text: code })],
    ['a subject with the code', (code) => ({ subject: `Code ${code}`, text: code })],
    [
      'a subject with the code in groups',
      (code) => ({ subject: code.replaceAll(/(...)/g, '$1 '), text: code }),
    ],
    ['no text', () => ({ subject: 's' })],
    ['a text without the code', () => ({ subject: 's', text: 'Hello' })],
    ['a text that is none', () => ({ subject: 's', text: { path: '/etc/hostname' } })],
    ['an empty html', (code) => ({ subject: 's', text: code, html: '' })],
    ['an html that is no text', (code) => ({ subject: 's', text: code, html: { path: '/etc' } })],
  ])('is not sent, nor worth repeating, when compose returns %s', async (_, write) => {
    const server = await startMailServer();
    const app = await startWith({
      transport: server.url,
      from: FROM,
      compose: ({ code }) => write(code) as EmailMessage,
    });
    const error = await failure(app.twoFactor.request({ token: TOKEN }));
    expect(error).toBeInstanceOf(TwoFactorConfigurationError);
    expect((error as Error).message).toMatch(/^The compose of sender default (?:made|returned)/);
    expect(server.connections).toBe(0);
  });

  it('may have the code in groups', async () => {
    const server = await startMailServer();
    const inGroups = (code: string): string => code.replaceAll(/(....)/g, '$1 ').trim();
    const app = await startWith({
      transport: server.url,
      from: FROM,
      compose: ({ code }) => ({ subject: 's', text: `Code: ${inGroups(code)}.` }),
    });
    const { state } = await app.twoFactor.request({ token: TOKEN });
    expect(server.mails[0]?.text).toContain(inGroups(state.code!));
  });

  it('is not sent when composing fails, and the error contains no code', async () => {
    const server = await startMailServer();
    const app = await startWith({
      transport: server.url,
      from: FROM,
      compose: ({ code }) => {
        throw new Error(`no template for ${code}`);
      },
    });
    const error = await failure(app.twoFactor.request({ token: TOKEN }));
    expect(error).toBeInstanceOf(TwoFactorSendError);
    expect((error as TwoFactorSendError).cause).toEqual(new Error('no template for ***'));
    expect(server.connections).toBe(0);
  });
});

describe('a mail server', () => {
  it.each([
    [550, 'no such user here: ann@example.com'],
    [553, 'mailbox name not allowed'],
    [551, 'user not local'],
  ])('that refuses the recipient by %i ends the matter', async (responseCode, text) => {
    const server = await startMailServer({ responseCode, text });
    const app = await startWith({ transport: server.url, from: FROM });
    const error = await failure(app.twoFactor.request({ token: TOKEN }));
    expect(error).toBeInstanceOf(TwoFactorRecipientError);
    expect((error as Error).message).toBe('The mail server refuses this address.');
    expect(server.connections).toBe(1);
  });

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
    const app = await startWith({ transport: urlOf(silent), from: FROM }, { sendTimeoutMs: 500 });
    const error = await failure(app.twoFactor.request({ token: TOKEN }));
    expect(error).toBeInstanceOf(TwoFactorSendError);
    expect((error as Error).cause).toEqual(new Error('no answer within 500 ms'));
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
    await vi.waitFor(() => expect(server.open()).toBe(0), 2_000);
  });

  it('sends no mail later that waited for a connection when its call was aborted', async () => {
    const relay = await startScriptedSmtpServer();
    ends.push(() => relay.close());
    const transport = createTransport({
      host: '127.0.0.1',
      port: relay.port,
      pool: true,
      maxConnections: 1,
      socketTimeout: 1_000,
    });
    ends.push(async () => transport.close());
    const app = await startApp({
      options: { senders: senderOf(transport), sendTimeoutMs: 500 },
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

describe('the set-up of an e-mail sender', () => {
  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['no transport', { from: FROM }],
    ['an empty transport', { transport: '', from: FROM }],
    ['no from', { transport: 'smtp://127.0.0.1:1' }],
    ['an empty from', { transport: 'smtp://127.0.0.1:1', from: '' }],
    [
      'a from that is no text',
      { transport: 'smtp://127.0.0.1:1', from: { address: 'a@b.example' } },
    ],
  ])('is refused at boot with %s', async (_, options) => {
    const error = await failure(
      startApp({ options: { senders: { default: { backend: emailBackend, options } } } }),
    );
    expect(error).toBeInstanceOf(TwoFactorConfigurationError);
    expect((error as Error).message).toBe(
      "Sender default needs the options transport and from. Write options: { transport: 'smtp://...', from: '...' }.",
    );
  });

  it('is refused at boot with an unknown option, which the error names', async () => {
    const error = await failure(
      startApp({
        options: {
          senders: {
            default: {
              backend: emailBackend,
              // Misspelt, the message would be the default one in English.
              options: { transport: 'smtp://127.0.0.1:1', from: FROM, composer: () => ({}) },
            },
          },
        },
      }),
    );
    expect(error).toBeInstanceOf(TwoFactorConfigurationError);
    expect((error as Error).message).toBe(
      'There is no option of sender default: composer. Known: compose, from, product, transport.',
    );
  });

  it.each([
    'ACME Bank',
    'ACME Bank <>',
    'ACME Bank <no-reply>',
    '<no-reply@acme.example',
    'no-reply@acme.example>',
    'no-reply@',
    '@acme.example',
    'a@acme.example, b@acme.example',
    'ACME <a@acme.example>, B <b@acme.example>',
    'ACME, Inc. <no-reply@acme.example>',
    'ACME <no-reply@acme.example@evil.example>',
  ])('is refused at boot with the from %s, which is not one address', async (from) => {
    const error = await failure(startWith({ transport: 'smtp://127.0.0.1:1', from }));
    expect(error).toBeInstanceOf(TwoFactorConfigurationError);
    expect((error as Error).message).toBe(
      `The option from of sender default is ${JSON.stringify(from)}, which is not one address: write 'Name <address>' or an ` +
        'address alone, and set a name with a comma in double quotes.',
    );
  });

  it.each([
    ['no-reply@localhost', '', 'no-reply@localhost'],
    ['<no-reply@acme.example>', '', 'no-reply@acme.example'],
    ['ACME Bank <no-reply@acme.example>', 'ACME Bank', 'no-reply@acme.example'],
    ['"ACME, Inc. <Bank>" <no-reply@acme.example>', 'ACME, Inc. <Bank>', 'no-reply@acme.example'],
    ['Банк <no-reply@банк.example>', 'Банк', 'no-reply@банк.example'],
  ])('takes the from %s', async (from, name, address) => {
    const server = await startMailServer();
    const app = await startWith({ transport: server.url, from });
    await app.twoFactor.request({ token: TOKEN });
    expect(server.mails[0]?.from?.value).toEqual([{ name, address }]);
  });

  it('names the missing package in its error', async () => {
    vi.doMock('nodemailer', () => {
      throw new Error("Cannot find package 'nodemailer'");
    });
    try {
      const error = await failure(startWith({ transport: 'smtp://127.0.0.1:1', from: FROM }));
      expect(error).toBeInstanceOf(TwoFactorConfigurationError);
      expect((error as Error).message).toBe(
        'The e-mail backend needs the package nodemailer: install it with "npm install nodemailer".',
      );
    } finally {
      vi.doUnmock('nodemailer');
    }
  });

  it('lets a server that does not greet be told from one that falls silent within the session, within sendTimeoutMs', async () => {
    const createTransport = vi.fn<(options: object) => object>(() => ({ close: () => undefined }));
    vi.doMock('nodemailer', () => ({ createTransport }));
    try {
      await startWith({ transport: 'smtp://127.0.0.1:1', from: FROM });
      const [options] = createTransport.mock.calls[0] as [Record<string, number>];
      const { connectionTimeout, greetingTimeout, socketTimeout } = options;
      expect(Math.max(connectionTimeout!, greetingTimeout!)).toBeLessThan(socketTimeout!);
      expect(socketTimeout).toBeLessThan(10_000);
    } finally {
      vi.doUnmock('nodemailer');
    }
  });

  it('does not need nodemailer with a transport of its own', async () => {
    vi.doMock('nodemailer', () => {
      throw new Error("Cannot find package 'nodemailer'");
    });
    try {
      const { transport, sent } = countingTransport();
      const app = await startWith({ transport, from: FROM });
      await app.twoFactor.request({ token: TOKEN });
      expect(sent).toHaveLength(1);
      expect(sent[0]).toMatchObject({
        from: FROM,
        to: { name: '', address: TOKEN },
        disableFileAccess: true,
        disableUrlAccess: true,
      });
    } finally {
      vi.doUnmock('nodemailer');
    }
  });
});
