import type { AddressObject } from 'mailparser';
import { createTransport } from 'nodemailer';
import { afterEach, describe, expect, it } from 'vitest';

import { ends, FROM, startWith } from './email-fixtures.js';
import { startMailServer, TOKEN } from './mail-server.js';

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

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
      `ACME: Your code: ${code}\n\nThe code is valid for 10 minutes. Do not share it with anyone. We will never ask for it by phone or message.\n`,
    );
    expect(mail?.html).toContain(`>${code}<`);
    expect(mail?.html).toContain('We will never ask for it by phone or message.');
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
      'The code is valid for 1 minute. Do not share it with anyone.',
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
      'Enter this code only if you want to approve this:',
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
      text.split('\n').filter((line) => line.startsWith('A&B <Bank>: Your code: ')),
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
    expect(server.mails[0]?.text).toContain(`approve this:\n${lines}\n\nThe code is valid`);
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
});
