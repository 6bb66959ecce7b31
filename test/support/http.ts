import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { expect } from 'vitest';

import { ConfirmationRecord } from '../../lib/index.js';
import { recordOutput } from './canaries.js';
import { listen } from './listen.js';
import { startApp, type TestApp, type TestAppInput } from './test-app.js';

/** The adapters of Nest, for `describe.each(adapters)`. */
export const adapters: readonly { name: string; create: () => AbstractHttpAdapter }[] = [
  { name: 'Express', create: () => new ExpressAdapter() },
  { name: 'Fastify', create: () => new FastifyAdapter() },
];

/** What came over the wire. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  /** The parsed text; the text itself when it is no JSON. */
  readonly body: unknown;
}

export interface HttpTestApp extends TestApp {
  /** Posts a value as JSON. */
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** Sends anything. */
  call(path: string, init: RequestInit): Promise<Answer>;
  /** The row as the database has it. */
  row(id: string): Promise<ConfirmationRecord>;
  /** Asks for a confirmation over HTTP, and tells what its owner then knows. */
  request(
    body?: Record<string, unknown>,
    headers?: Record<string, string>,
  ): Promise<{ id: string; code: string }>;
}

export interface HttpTestAppInput extends TestAppInput {
  /** Where the bundled controller is. @default '/2factor' */
  readonly path?: string;
  /** False where answers hold codes on purpose. @default true */
  readonly recorded?: boolean;
}

/** An application that listens on a free port of this machine. */
export async function startHttpApp(input: HttpTestAppInput): Promise<HttpTestApp> {
  const { path = '/2factor', recorded = true, ...rest } = input;
  const test = await startApp(rest);
  const origin = await listen(test.app);

  const call = async (at: string, init: RequestInit): Promise<Answer> => {
    const response = await fetch(`${origin}${at}`, { redirect: 'manual', ...init });
    const text = await response.text();
    const headers = Object.fromEntries(response.headers);
    if (recorded) recordOutput('http', at, response.status, headers, text);
    return { status: response.status, headers, text, body: parsed(text) };
  };
  const post: HttpTestApp['post'] = (at, body, headers = {}) =>
    call(at, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
  return {
    ...test,
    call,
    post,
    row: (id) => test.dataSource.getRepository(ConfirmationRecord).findOneByOrFail({ id }),
    request: async (body = { token: 'ann@example.com' }, headers) => {
      const answer = await post(`${path}/request-confirmation`, body, headers);
      expect(answer).toMatchObject({ status: 200 });
      const { id } = answer.body as { id: string };
      return { id, code: test.inbox.lastCode };
    },
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

declare module 'vitest' {
  interface Matchers<T> {
    /** A refusal of this package: RFC 9457, never cached, with these members and no other. */
    toBeProblem(status: number, error: string, members?: Record<string, unknown>): T;
  }
}

expect.extend({
  toBeProblem(
    { status, headers, body }: Answer,
    expectedStatus: number,
    error: string,
    members: Record<string, unknown> = {},
  ) {
    const actual = {
      status,
      body,
      type: headers['content-type'],
      cache: headers['cache-control'],
      retryAfter: headers['retry-after'],
    };
    const { retryAfter } = members;
    const expected = {
      status: expectedStatus,
      body: {
        type: `urn:nestjs-two-factor:${error}`,
        title: expect.stringMatching(/^[A-Z].+\.$/) as string,
        status: expectedStatus,
        error,
        instance: expect.stringMatching(/^urn:uuid:[0-9a-f-]{36}$/) as string,
        ...members,
      },
      type: expect.stringMatching(/^application\/problem\+json(; ?charset=utf-8)?$/) as string,
      cache: 'no-store',
      retryAfter: typeof retryAfter === 'number' ? String(retryAfter) : undefined,
    };
    return {
      pass: this.equals(actual, expected, [], true),
      message: () => `It is ${this.isNot ? '' : 'not '}the problem ${error}.`,
      actual,
      expected,
    };
  },
});

/** What must not differ between two refusals: all but the name of the occurrence (and Express's hash of it), and the time. */
export function comparable({ status, headers, text }: Answer): unknown {
  const { date: _date, etag: _etag, ...others } = headers;
  return { status, headers: others, text: text.replace(/urn:uuid:[0-9a-f-]{36}/, 'urn:uuid:-') };
}
