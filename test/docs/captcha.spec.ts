import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { Logger } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

import { startGuide, type Guide } from '../support/guide.js';
import { KEEP_ALIVE_MS, listen } from '../support/listen.js';
import { load, readPage, writePage } from '../support/snippets.js';

const page = await readPage('docs/guides/captcha.md');
const BODY = { purpose: 'sign-up', token: 'ann@example.com' };
const PATH = '/2factor/request-confirmation';

/** Declared here, because this program has no types of the browser. */
interface Client {
  requestConfirmation(body: object): Promise<object>;
  confirm(body: object): Promise<object>;
}

const asked: URLSearchParams[] = [];
let server: Server;
let guide: Guide;
let isDown = false;

/** As the providers answer. */
function provider(): Server {
  return createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const form = new URLSearchParams(Buffer.concat(chunks).toString());
      asked.push(form);
      response.statusCode = isDown ? 502 : 200;
      response.end(isDown ? 'bad gateway' : `{"success":${form.get('response') === 'solved'}}`);
    });
  });
}

beforeAll(async () => {
  await writePage(page);
  server = provider();
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  vi.stubEnv('CAPTCHA_URL', `http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  vi.stubEnv('CAPTCHA_SECRET', 'the secret of the site');
});
afterAll(() => {
  vi.unstubAllEnvs();
  server.close();
});
beforeEach(async () => {
  asked.length = 0;
  isDown = false;
  guide = await startGuide(page);
});
afterEach(async () => {
  await guide.close();
  vi.restoreAllMocks();
});

describe('A CAPTCHA before an anonymous request', () => {
  it('is not asked for of a signed-in user', async () => {
    await guide.close();
    guide = await startGuide(page, { user: { id: 'ann' } });
    await guide.post(PATH, BODY).expect(200);
    expect(asked).toEqual([]);
  });

  it('is asked for before a code is sent, and not on the other routes', async () => {
    await guide.post(PATH, BODY).expect(403);
    await guide.post(PATH, BODY).set('x-captcha', 'wrong').expect(403);
    expect(() => guide.lastCode()).toThrow('Nothing was sent.');

    const answer = await guide.post(PATH, BODY).set('x-captcha', 'solved').expect(200);
    const { id } = answer.body as { id: string };
    await guide.post('/2factor/confirm', { id, code: guide.lastCode() }).expect(200);
    expect(asked.map((form) => Object.fromEntries(form))).toEqual(
      ['wrong', 'solved'].map((response) => ({
        secret: 'the secret of the site',
        response,
        remoteip: expect.stringContaining('127.0.0.1') as string,
      })),
    );
  });

  it('is asked for on Fastify, with a slash at the end of the path too', async () => {
    await guide.close();
    const adapter = new FastifyAdapter() as unknown as AbstractHttpAdapter;
    guide = await startGuide(page, { adapter });
    const origin = await listen(guide.app);
    const ask = async (path: string, answer: string): Promise<number> => {
      const headers = { 'content-type': 'application/json', 'x-captcha': answer };
      const init = { method: 'POST', headers, body: JSON.stringify(BODY) };
      return (await fetch(`${origin}${path}`, init)).status;
    };

    expect([await ask(PATH, ''), await ask(`${PATH}/`, '')]).toEqual([403, 403]);
    expect([await ask(PATH, 'solved'), await ask(`${PATH}/`, 'solved')]).toEqual([200, 200]);
  });

  it('is answered by the client, which reads the widget before each call', async () => {
    const { clientWithCaptcha } = await load<{
      clientWithCaptcha: (answer: () => string | undefined, url: string) => Client;
    }>(page, 'captcha-client.ts');
    let answer: string | undefined;
    const client = clientWithCaptcha(() => answer, `${await listen(guide.app)}/2factor`);

    const refused = await client.requestConfirmation(BODY);
    answer = 'solved';
    const accepted = await client.requestConfirmation(BODY);
    answer = undefined; // as after a reset of the widget
    const { id } = (accepted as { value: { id: string } }).value;
    const confirmed = await client.confirm({ id, code: guide.lastCode() });

    const problem = { error: 'unexpected-answer', status: 403 };
    expect(refused).toMatchObject({ ok: false, problem });
    expect([accepted, confirmed]).toMatchObject([{ ok: true }, { ok: true }]);
  });

  it('refuses while the provider does not answer', async () => {
    vi.spyOn(Logger.prototype, 'error').mockReturnValue(undefined);
    isDown = true;
    const { status } = await guide.post(PATH, BODY).set('x-captcha', 'solved');
    expect(status).toBe(503);
  });
});
