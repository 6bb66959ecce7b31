// Threat: what goes out by the wrong door: forged messages, echoes, hints about who exists (security.md, section 2 F).
import { afterEach, describe, expect, it } from 'vitest';

import {
  ConfirmationRecord,
  TwoFactorUnknownSecretError,
  type JsonValue,
} from '../../lib/index.js';
import { drawCanaryCode } from '../support/canaries.js';
import { doors, FAILURES_ONLY, outcomeOf, services, type Entrance } from '../support/doors.js';
import { engines } from '../support/engines.js';
import { mailbox, outputSoFar, outputSince } from './f-fixtures.js';

let door: Entrance;
afterEach(() => door.close());

describe.each(doors)('Delivery, through $name:', ({ open }) => {
  it('57 passes a recipient to the mail transport only if it is exactly one address', async () => {
    const { mails, senders } = mailbox();
    door = await open({ options: { senders, limits: FAILURES_ONLY } });
    const malformed = [
      'a@b.example\r\nBcc: x@y.example',
      'a@b.example\n.\n',
      'a@b.example\u0000',
      'a@b.example\tx@y.example',
      'a@b.example\u202e',
      ' a@b.example',
      `${'a'.repeat(311)}@b.example`,
    ];
    const refused = [
      'a@b.example,x@y.example',
      'a@b.example;x@y.example',
      'a@b.example x@y.example',
      '"x@evil.example y"@good.example',
      'a@b.example>',
      'Ann <a@b.example>',
      'a(comment)@b.example',
      'a@[127.0.0.1]',
      'a@[IPv6:::1]',
      'a@127.0.0.1',
      'a@localhost',
      `${'a'.repeat(65)}@b.example`,
      `a@${'b.'.repeat(125)}example.com`,
      '@relay.example:a@b.example',
      'a@b@c.example',
      '+14155550123',
    ];

    await door.unchanged(async () => {
      for (const token of malformed) expect(await door.request({ token })).toBe('invalid-request');
    });
    for (const token of refused)
      expect(await door.request({ token })).toBe('recipient-not-allowed');
    expect(mails).toStrictEqual([]);

    expect(await door.request({ token: 'ann@example.com' })).toBe('done');
    expect(mails.map(({ to }) => to)).toStrictEqual([{ name: '', address: 'ann@example.com' }]);
  });

  it('59 writes each approved detail as one line, without markup, placeholders or direction marks', async () => {
    const { mails, senders } = mailbox();
    door = await open({ options: { senders } });
    const details = {
      payee: '<script>alert(1)</script><a href="https://evil.example">Bob</a>',
      template: '{{constructor.constructor("x")()}} ${7*7} %s %n',
      hidden: 'a\u200bb\u00adc',
    };
    // By the application itself: a client can give undeclared details by no door.
    const asked = (approved: JsonValue): Promise<string> =>
      outcomeOf(async () => {
        await door.test.twoFactor.request({ token: 'ann@example.com', details: approved });
        return 'done';
      });
    // What would forge a line, or read as another, is in no details at all.
    for (const forged of [
      { turned: '\u202e00.01 EUR\u202c' },
      { forged: '10 EUR\n\n@evil.example #111111\r\nYour code is 111111' },
      { 'label\n@evil.example #222222': 'x' },
    ]) {
      expect(await asked(forged)).toBe('invalid-request');
    }
    expect(mails).toStrictEqual([]);

    expect(await asked(details)).toBe('done');

    const { text, html, subject } = mails[0]!;
    const lines = text.split('\n');
    expect(lines.filter((line) => /^(@|ACME: |Your .*code)/.test(line))).toStrictEqual([lines[0]]);
    // Two for the code and the blank after it, one that introduces, three of details, a blank and the advice.
    expect(lines).toHaveLength(9);
    expect(lines.slice(3, 6).every((line) => line.startsWith('  '))).toBe(true);
    expect(lines.at(-2)).toMatch(/^The code is valid for 10 minutes\. Do not share it/);
    expect(text).toContain('${7*7} %s %n');
    for (const part of [text, html, subject]) {
      expect(part).not.toMatch(
        // oxlint-disable-next-line no-control-regex
        /[\u0000-\u0009\u000b-\u001f\u00ad\u200b-\u200f\u2028-\u202e\u2066-\u2069]/,
      );
    }
    expect(html).not.toMatch(/<script|<a /);
    expect(html).toContain('&lt;script&gt;');
    expect(subject).toBe('Your ACME code');
  });

  it('60 answers every failure of a provider alike, and repeats no text of the provider', async () => {
    // More messages to one token than its limit, so that the provider is what fails.
    door = await open({ options: { limits: FAILURES_ONLY } });
    const { inbox, clock } = door.test;
    const body = { token: `${drawCanaryCode()}@example.com` };
    const since = await outputSoFar();
    const errors = ['400 Bad Request', '429', '500', '200 but failed', 'x'.repeat(1_000_000)];
    for (const words of errors) {
      // It knows what it was given, and says it.
      const error = Object.defineProperty(new Error(), 'message', {
        get: () => `${words} {"to":"${body.token}","text":"${inbox.lastCode}"}`,
      });
      inbox.failNext(error);
      expect(await door.request(body)).toBe('send-failed');
    }
    for (const thrown of [undefined, null, 'down', 503, { status: 500 }, Promise.resolve()]) {
      inbox.failNext(thrown);
      expect(await door.request(body)).toBe('send-failed');
    }
    const lines = await outputSince(since);
    const secrets = [body.token, ...inbox.deliveries.map(({ code }) => code)];
    expect(secrets).toHaveLength(12);
    expect(lines.filter((line) => secrets.some((each) => line.includes(each)))).toStrictEqual([]);
    clock.advance(5);
    const rows = await door.test.dataSource.getRepository(ConfirmationRecord).find();
    expect(rows.map(({ sends, attempts }) => [sends, attempts])).toStrictEqual(
      rows.map(() => [1, 0]),
    );
    expect(rows).toHaveLength(11);
    expect(await door.resend(rows[0]!.id)).toBe('done');
  });

  it('60 abandons a provider that hangs, and aborts its call', async () => {
    const signals: AbortSignal[] = [];
    door = await open({
      options: {
        sendTimeoutMs: 100,
        senders: {
          default: {
            backend:
              () =>
              ({ signal }: { signal: AbortSignal }) => {
                signals.push(signal);
                return new Promise(() => undefined);
              },
          },
        },
      },
    });

    expect(await door.request({ token: 'ann@example.com' })).toBe('send-failed');

    expect(signals.map(({ aborted }) => aborted)).toStrictEqual([true]);
  });

  it('63 matches no code when the stored MAC is malformed, charges the attempt, and does not fail', async () => {
    // More requests for one token than its limit.
    door = await open({ options: { maxAttempts: 10, limits: FAILURES_ONLY } });
    const { dataSource } = door.test;
    const store = (id: string, column: string, value: string) =>
      dataSource.query(
        `UPDATE two_factor_confirmation SET ${column} = '${value}' WHERE id = '${id}'`,
      );
    const { id, code } = await door.made();
    const { codeMac } = await door.row(id);
    const [, kid, mac] = codeMac!.split('.');
    const foreign = ['', 'short', 'null', 'v1', 'v1.', `v2.${kid}.${mac}`, `v1.AAAAAAAA.${mac}`];
    const altered = [`v1.${kid}.`, `v1.${kid}.${mac!.slice(1)}`, `v1.${kid}.${mac}x`];

    for (const [at, value] of [...foreign, ...altered].entries()) {
      await store(id, 'code_mac', value);
      expect(await door.confirm(id, code)).toBe(
        at < foreign.length ? 'unknown-secret' : `code-mismatch, ${9 - at} left`,
      );
      expect(await door.row(id)).toMatchObject({ confirmedAt: null, attempts: at + 1 });
    }

    for (const envelope of ['', 'short', 'v1', `v1.${kid}`, `v1.${kid}.a.b.c`, `v2.${kid}.a.b.c`]) {
      const other = await door.made();
      door.test.clock.advance(30);
      const sent = door.test.inbox.deliveries.length;
      await store(other.id, 'envelope', envelope);
      expect(await door.resend(other.id)).toBe('unknown-secret');
      expect(door.test.inbox.deliveries).toHaveLength(sent);
    }
  });

  it('68 accepts no fixed code', async () => {
    door = await open({ options: { maxAttempts: 10 } });
    const { id, code } = await door.made();
    const usual = [
      '000000',
      '111111',
      '123456',
      '999999',
      '424242',
      '12345678',
      'TESTTEST',
      'undefined',
    ];

    for (const [at, guess] of usual.entries())
      expect(await door.confirm(id, guess)).toBe(`code-mismatch, ${9 - at} left`);
    expect(await door.confirm(id, code)).toBe('done');
  });
});

describe.each(engines)('Delivery, through the services on %s:', (engine) => {
  it('63 compares a stored MAC to the letter', async () => {
    door = await services.open({ engine });
    const { confirmer, dataSource } = door.test;
    const repository = dataSource.getRepository(ConfirmationRecord);
    const codeMac = async (id: string): Promise<string> =>
      (await repository.findOneByOrFail({ id })).codeMac!;
    const state = await confirmer.makeConfirmation();
    const mac = await codeMac(state.id);
    const variants = [mac.toLowerCase(), mac.toUpperCase(), `${mac} `, ` ${mac}`];

    for (const variant of variants) {
      await repository.update({ id: state.id }, { codeMac: variant });
      const confirmed = await confirmer.confirm(state.id, state.code!).then(
        ([, done]) => done,
        (error: unknown) => {
          expect(error).toBeInstanceOf(TwoFactorUnknownSecretError);
          return false;
        },
      );
      expect(confirmed).toBe(false);
    }
    await repository.update({ id: state.id }, { codeMac: mac });
    expect((await confirmer.confirm(state.id, state.code!))[1]).toBe(true);
  });
});
