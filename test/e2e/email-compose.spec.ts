// The text of the application must not change who receives the code, and no mail leaves without the code.
import { afterEach, describe, expect, it } from 'vitest';

import type { EmailMessage } from '../../lib/backends/email/index.js';
import { TwoFactorConfigurationError, TwoFactorSendError } from '../../lib/index.js';
import { ends, failure, FROM, startWith } from './email-fixtures.js';
import { startMailServer, TOKEN } from './mail-server.js';

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

describe('a code by e-mail', () => {
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
