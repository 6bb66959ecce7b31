// Threat: what goes out by the wrong door: forged messages, echoes, hints about who exists (security.md, section 2 F).
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';

import { ValidationPipe } from '@nestjs/common';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { emailBackend, type EmailOptions } from '../../lib/backends/email/index.js';
import {
  ConfirmationRecord,
  defineSender,
  LoggerBackend,
  TwoFactorConfigurationError,
  TwoFactorUnknownSecretError,
  type JsonValue,
} from '../../lib/index.js';
import { CANARY_FOLDER, drawCanaryCode, recordOutput, WRONG_CODE } from '../support/canaries.js';
import {
  doors,
  FAILURES_ONLY,
  httpDoors,
  outcomeOf,
  services,
  type Entrance,
} from '../support/doors.js';
import { engines } from '../support/engines.js';
import { portOf, rawCall } from '../support/raw-http.js';
import { searchForCodes } from '../support/search-for-codes.js';
import { startApp } from '../support/test-app.js';

interface Mail {
  readonly to: { name: string; address: string };
  readonly from: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

/** A mail transport that keeps what it is given. */
function mailbox() {
  const mails: Mail[] = [];
  const transport = { sendMail: async (mail: Mail) => mails.push(mail) };
  const options = {
    transport: transport as unknown as EmailOptions['transport'],
    from: 'ACME <no-reply@acme.example>',
    product: 'ACME',
  };
  return { mails, senders: { default: defineSender(emailBackend, { options }) } };
}

let door: Entrance;
afterEach(() => door.close());

describe.each(doors)('Delivery, at the door of $name:', ({ open }) => {
  it('57 hands no token to the mail transport that is more, or something else, than one address', async () => {
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

  it('59 writes what is approved as one line each, without markup, placeholders or direction marks', async () => {
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
    expect(lines.filter((line) => /^(@|Your code is)/.test(line))).toStrictEqual([lines[0]]);
    // Two for the code and the blank after it, one that introduces, three of details, a blank and the advice.
    expect(lines).toHaveLength(9);
    expect(lines.slice(3, 6).every((line) => line.startsWith('  '))).toBe(true);
    expect(lines.at(-2)).toMatch(/^It is valid for 10 minutes\. Do not share it/);
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

  it('60 answers every failure of a provider alike, and repeats nothing that it says', async () => {
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

  it('60 gives up a provider that hangs, and tells it to stop', async () => {
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

  it('63 takes a malformed stored MAC for nobody’s, charges the attempt, and does not fail', async () => {
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

describe.each(engines)('Delivery, at the services on %s:', (engine) => {
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

describe.each(httpDoors)('Delivery, over HTTP on $name:', ({ open }) => {
  it('58 writes the same message whatever the request says where it came from and went to', async () => {
    const { mails, senders } = mailbox();
    door = await open({ options: { senders, codeGenerator: () => '042317' } });
    const port = portOf(door.test.app.getHttpServer());
    const forged = {
      host: 'evil.example',
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'http',
      'x-original-url': '/evil',
      forwarded: 'host=evil.example',
      origin: 'null',
      referer: 'https://evil.example/',
    };
    const seen: unknown[] = [];
    for (const headers of [{}, forged]) {
      const { status, headers: answered } = await rawCall(port, {
        method: 'POST',
        path: '/2factor/request-confirmation',
        headers: { 'content-type': 'application/json', ...headers },
        body: '{"token":"ann@example.com"}',
      });
      const { date: _date, etag: _etag, ...others } = answered;
      seen.push([status, others]);
    }

    expect(seen[1]).toStrictEqual(seen[0]);
    expect(mails).toHaveLength(2);
    expect(mails[1]).toStrictEqual(mails[0]);
    expect(JSON.stringify(mails)).not.toMatch(/evil|https?:/);
  });

  it('60, 65 repeats neither code nor token in a refusal, nor in what it logs about one', async () => {
    const code = drawCanaryCode();
    const token = `${drawCanaryCode()}@example.com`;
    door = await open({
      configure: (app) =>
        // As Nest's own documentation has it, and its errors repeat what they were given.
        app.useGlobalPipes(
          new ValidationPipe({ transform: true, validationError: { target: true, value: true } }),
        ),
    });
    const { http } = door;
    const { id } = await door.made();
    const since = await outputSoFar();
    const bodies: readonly (readonly [route: string, body: unknown])[] = [
      ['confirm', { id, code: [code] }],
      ['confirm', { id: code, code }],
      ['confirm', { id, code: `${code}\u202e` }],
      ['confirm', { id, code: code.repeat(10) }],
      ['confirm', { id, code }],
      ['request-confirmation', { token: [token] }],
      ['request-confirmation', { token, way: code }],
      ['request-confirmation', { token, purpose: code }],
      ['request-confirmation', { token, details: [code] }],
      ['request-confirmation', { token: `${token}\n` }],
      ['check', { id: token }],
      ['resend', { id: [code] }],
      [`confirm`, code],
    ];

    for (const [route, body] of bodies) {
      const answer = await http!.post(`/2factor/${route}`, body);
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.text + JSON.stringify(answer.headers)).not.toContain(code);
      expect(answer.text).not.toContain(token.slice(0, 20));
    }
    const lines = await outputSince(since);
    expect(lines.length).toBeGreaterThan(bodies.length);
    expect(lines.filter((line) => line.includes(code) || line.includes(token))).toStrictEqual([]);
  });

  it('61, 62 tells a known recipient from an unknown one by nothing, the provider being up or down', async () => {
    door = await open({ options: { limits: {} } });
    const { http, test } = door;
    const known = 'ann@example.com';
    const { id, code } = await door.made({ token: known });
    await door.confirm(id, code);
    await test.confirmer.use(id);
    await test.confirmer.makeConfirmation({ subject: known, token: known });

    const askedBy = async (token: string, isDown: boolean): Promise<unknown> => {
      if (isDown) test.inbox.failNext(new Error('down'));
      let seen: unknown;
      const statements = await test.log.during(async () => {
        const { status, headers, body } = await http!.post('/2factor/request-confirmation', {
          token,
        });
        const { date: _date, etag: _etag, ...others } = headers;
        const { id: _id, instance: _instance, ...members } = body as Record<string, unknown>;
        seen = { status, headers: others, members };
      });
      return { seen, statements: statements.map(({ sql }) => sql) };
    };

    for (const isDown of [false, true]) {
      const stranger = await askedBy('abc@elsewhere.com', isDown);
      expect(await askedBy(known, isDown)).toStrictEqual(stranger);
      expect(stranger).toMatchObject({ seen: { status: isDown ? 503 : 200 } });
    }
  });

  it('66 puts code and token into no URL, no header and no answer', async () => {
    const { mails, senders } = mailbox();
    door = await open({ options: { senders } });
    const { http, test } = door;
    const token = `${drawCanaryCode()}@example.com`;
    const asked = await http!.post('/2factor/request-confirmation', { token });
    const { id } = asked.body as { id: string };
    const code = (await test.confirmer.check(id))[0]!.code!;
    test.clock.advance(30);
    const answers = [
      asked,
      await http!.post('/2factor/resend', { id }),
      await http!.post('/2factor/check', { id }),
      await http!.post('/2factor/confirm', { id, code: WRONG_CODE }),
      await http!.post('/2factor/confirm', { id, code }),
    ];

    expect(answers.map(({ status }) => status)).toStrictEqual([200, 200, 200, 422, 200]);
    for (const { headers, text } of answers) {
      const said = JSON.stringify(headers) + text;
      expect(said).not.toContain(code);
      expect(said).not.toContain(token.slice(0, 20));
      for (const name of ['location', 'link', 'referer', 'refresh', 'set-cookie'])
        expect(headers).not.toHaveProperty(name);
    }
    expect(mails).toHaveLength(2);
    for (const { text, html } of mails) expect(text + html).not.toMatch(/https?:|href|src=|url\(/);
  });

  it('67 starts and resends nothing for another site’s page', async () => {
    door = await open();
    const { http, test } = door;
    const { id } = await door.made();
    test.clock.advance(30);
    const sent = test.inbox.deliveries.length;
    const foreign = {
      origin: 'https://evil.example',
      cookie: 'session=ann',
      'sec-fetch-site': 'cross-site',
    };
    const json = JSON.stringify({ id, token: 'ann@example.com' });

    const statements = await door.unchanged(async () => {
      for (const route of ['request-confirmation', 'resend', 'confirm', 'check']) {
        // What a page may send without being asked: a form, and fetch without CORS.
        for (const type of [
          'application/x-www-form-urlencoded',
          'multipart/form-data; boundary=x',
          'text/plain',
        ]) {
          const answer = await http!.call(`/2factor/${route}`, {
            method: 'POST',
            headers: { ...foreign, 'content-type': type },
            body: type.startsWith('text') ? json : `id=${id}&token=ann@example.com`,
          });
          expect(answer.status).toBe(415);
        }
        // For JSON the browser asks first, and nobody says yes.
        const preflight = await http!.call(`/2factor/${route}`, {
          method: 'OPTIONS',
          headers: {
            ...foreign,
            'access-control-request-method': 'POST',
            'access-control-request-headers': 'content-type',
          },
        });
        expect(preflight.status).toBe(404);
        expect(
          Object.keys(preflight.headers).filter((name) => name.startsWith('access-control')),
        ).toStrictEqual([]);
      }
    });
    expect(statements).toStrictEqual([]);
    expect(test.inbox.deliveries).toHaveLength(sent);
  });
});

describe('Delivery:', () => {
  it('64 tells code, recipient, MAC and envelope to nobody in a whole life with its failures', async () => {
    const since = await outputSoFar();
    door = await httpDoors[0]!.open({
      options: { purposes: { login: { open: true, details: () => ({ payee: 'Bob' }) } } },
    });
    const { confirmer, inbox, twoFactor, sender, clock } = door.test;
    const token = `${drawCanaryCode()}@example.com`;
    const body = { token, purpose: 'login' };
    const { id, code } = await door.made(body);
    const { codeMac, envelope } = await door.row(id);
    await door.confirm(id, WRONG_CODE);
    clock.advance(30);
    inbox.failNext(new Error(`cannot reach ${token} with ${code}`));
    await door.resend(id);
    await door.confirm(id, code);
    await confirmer.use(id, { purpose: 'login', details: { payee: 'Bob' } });
    const state = await confirmer.makeConfirmation({ token, context: { name: token } });
    await sender.send(null, token, state);
    await sender.send(null, 'other@example.com', state).catch(() => undefined);
    await twoFactor.resend(state).catch(() => undefined);
    recordOutput('console', inspect(state, { showHidden: true, depth: 9 }), JSON.stringify(state));

    const lines = await outputSince(since);
    const secrets = [code, state.code!, token.slice(0, 20)];
    expect(lines.filter((line) => secrets.some((secret) => line.includes(secret)))).toStrictEqual(
      [],
    );
    // The database, and nobody else, is told what is stored.
    const stored = lines.filter((line) => line.includes(codeMac!) || line.includes(envelope!));
    expect(stored.length).toBeGreaterThan(0);
    expect(stored.filter((line) => !line.startsWith('[sql]'))).toStrictEqual([]);
  });

  it('64 the search after all tests finds a code, a recipient, a MAC and an envelope', async () => {
    door = await services.open();
    const folder = await mkdtemp(join(tmpdir(), 'two-factor-canaries-'));
    const { id, code } = await door.made();
    const { codeMac, envelope } = await door.row(id);
    await writeFile(join(folder, 'codes.1.log'), `${code}\n`);
    const found = async (line: string): Promise<number> => {
      await writeFile(join(folder, 'output.1.log'), `${line}\n`);
      return (await searchForCodes(folder)).found.length;
    };

    expect(await found(`[log] sent ${code}`)).toBe(1);
    expect(await found(`[sql] INSERT ${code}`)).toBe(1);
    expect(await found(`[http] to ${code}@example.com`)).toBe(1);
    expect(await found(`[warn] compared with ${codeMac}`)).toBe(1);
    expect(await found(`[ConfirmerService.check] ${envelope}`)).toBe(1);
    expect(await found(`[sql] UPDATE ${codeMac} ${envelope}`)).toBe(0);
    expect(await found(`[log] ${id}`)).toBe(0);
    await rm(folder, { recursive: true });
  });

  it('68 a sender that logs codes does not boot in production', async () => {
    door = { close: async () => vi.unstubAllEnvs() } as unknown as Entrance;
    vi.stubEnv('NODE_ENV', 'production');

    await expect(
      startApp({ options: { senders: { default: { backend: LoggerBackend } } } }),
    ).rejects.toBeInstanceOf(TwoFactorConfigurationError);
    await expect(startApp({ options: { debugCodeResponse: true } })).rejects.toBeInstanceOf(
      TwoFactorConfigurationError,
    );
  });
});

const outputFile = join(CANARY_FOLDER, `output.${process.pid}.log`);

async function outputSoFar(): Promise<number> {
  return (await readFile(outputFile).catch(() => Buffer.alloc(0))).length;
}

async function outputSince(bytes: number): Promise<string[]> {
  return (await readFile(outputFile)).subarray(bytes).toString('utf8').split('\n').filter(Boolean);
}
