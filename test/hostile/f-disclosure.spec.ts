// Threat: answers, logs and URLs that disclose a code, a recipient or whether an account exists (security.md, section 2 F).
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';

import { ValidationPipe } from '@nestjs/common';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { LoggerBackend, TwoFactorConfigurationError } from '../../lib/index.js';
import { drawCanaryCode, recordOutput, WRONG_CODE } from '../support/canaries.js';
import { httpDoors, services, type Entrance } from '../support/doors.js';
import { portOf, rawCall } from '../support/raw-http.js';
import { searchForCodes } from '../support/search-for-codes.js';
import { startApp } from '../support/test-app.js';
import { mailbox, outputSoFar, outputSince } from './f-fixtures.js';

let door: Entrance;
afterEach(() => door.close());

describe.each(httpDoors)('Delivery, over HTTP on $name:', ({ open }) => {
  it('58 writes the same message whatever hosts and origins the headers of the request name', async () => {
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
    // The Message-ID is that of the confirmation, of which there are two.
    const [first, second] = mails.map(({ messageId, ...mail }) => {
      expect(messageId).toMatch(/^<[\w-]{16}@acme\.example>$/);
      return mail;
    });
    expect(second).toStrictEqual(first);
    expect(JSON.stringify(mails)).not.toMatch(/evil|https?:/);
  });

  it('60, 65 repeats neither a code nor an address in a refusal and in its log', async () => {
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

  it('61, 62 answers alike for a known and an unknown recipient, whether the provider is up or down', async () => {
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

  it('66 puts no code and no address into a URL, a header or an answer', async () => {
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
        // For JSON the browser sends a preflight request first, and the server does not allow it.
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
  it('64 discloses no code, recipient, MAC or envelope from the creation to the use, failures included', async () => {
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
    // Only the database gets what is stored.
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
