import { Agent, type OutgoingHttpHeaders } from 'node:http';

import { Body, Controller, Post, type ExecutionContext } from '@nestjs/common';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { IsString, MaxLength } from 'class-validator';

import { RequireConfirmation, type JsonValue, type PurposeDefinition } from '../../lib/index.js';
import { listen } from '../support/listen.js';
import { portOf, rawCall } from '../support/raw-http.js';
import { UNKNOWN_ID } from '../support/unknown-id.js';
import { openApplication } from './application.js';
import { fresh, type Entry } from './entry.js';

interface Adapter {
  readonly create: () => AbstractHttpAdapter;
  /** The largest body that it reads by default. */
  readonly maxBytes: number;
}

const ADAPTERS: Readonly<Record<string, Adapter>> = {
  Express: { create: () => new ExpressAdapter(), maxBytes: 102_400 },
  Fastify: { create: () => new FastifyAdapter(), maxBytes: 1_048_576 },
};
/** As many as there are in 100 kB. In one megabyte there are so many that the parser of JSON itself takes long. */
const MAX_MEMBERS = 6_000;
const MAX_HEADER = 4_000;
/** In 100 kB, whatever JSON makes of the text. */
const MAX_LENGTH = 16_000;

interface Request {
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: JsonValue;
}

const requestOf = (context: ExecutionContext): Request => context.switchToHttp().getRequest();

/** What a client may write of a transfer. */
class TransferDetails {
  @IsString()
  @MaxLength(70)
  text!: string;
}

@Controller()
class TransferController {
  @Post('transfers')
  @RequireConfirmation('payment', { details: (context) => requestOf(context).body })
  transfer(@Body() _body: unknown): string {
    return 'transferred';
  }
}

/** The four routes of the bundled controller and a guarded one, on one adapter. */
export async function httpEntries(adapter: string): Promise<Entry[]> {
  const { create, maxBytes } = ADAPTERS[adapter]!;
  const bound: PurposeDefinition = {
    subject: (context) => requestOf(context).headers['x-user'],
    recipient: () => 'ann@example.com',
  };
  const application = await openApplication({
    adapter: create(),
    controllers: [TransferController],
    options: {
      purposes: {
        '': { open: true },
        transfer: { ...bound, details: TransferDetails },
        payment: bound,
      },
    },
  });
  await listen(application.app);
  const port = portOf(application.app.getHttpServer());
  const agent = new Agent({ keepAlive: true });

  const call = async (
    path: string,
    body: string,
    headers: OutgoingHttpHeaders = {},
  ): Promise<string> => {
    const all = { 'content-type': 'application/json', 'x-user': `user-${fresh()}`, ...headers };
    const { status } = await rawCall(port, { method: 'POST', path, headers: all, body }, agent);
    if (status >= 500) throw new Error(`${path} answered ${status}.`);
    return String(status);
  };
  const post = (route: string, body: unknown, headers?: OutgoingHttpHeaders): Promise<string> =>
    call(`/2factor/${route}`, JSON.stringify(body), headers);
  const transfer = async (id: string, body: object, user: string): Promise<string> =>
    call('/transfers', JSON.stringify(body), { 'x-user': user, 'x-confirmation-id': id });
  const prove = async (details: JsonValue, user: string): Promise<string> => {
    const binding = { purpose: 'payment', subject: user, details };
    const { id } = await application.confirmer.makeConfirmation({ ...binding, isConfirmed: true });
    return id;
  };
  const pending = async (): Promise<string> => {
    const { id } = await application.confirmer.makeConfirmation({ token: `t${fresh()}@b.example` });
    return id;
  };

  const entry = (name: string, maxLength: number, reaches: number, feed: Entry['feed']): Entry => ({
    name: `${adapter}, ${name}`,
    maxLength,
    reaches: String(reaches),
    feed,
  });
  const request = 'request-confirmation';
  return [
    entry('request: token', 320, 200, (token) => post(request, { token })),
    entry('request: a token as long as a body', maxBytes / 4, 400, (text) =>
      post(request, { token: text.toWellFormed() }),
    ),
    entry('request: way', 64, 400, (way) => post(request, { token: 'a@b.example', way })),
    entry('request: purpose', 64, 400, (purpose) => post(request, { purpose })),
    entry('request: details', 70, 200, (text) =>
      post(request, { purpose: 'transfer', details: { text } }),
    ),
    entry('request: a key of details', 3_900, 400, (key) =>
      post(request, { purpose: 'transfer', details: { [key]: 1 } }),
    ),
    entry('request: a way too long', MAX_LENGTH, 400, (way) => post(request, { way })),
    entry('request: details too long', MAX_LENGTH, 400, (text) =>
      post(request, { purpose: 'transfer', details: { text } }),
    ),
    entry('request: a key of details too long', MAX_LENGTH, 400, (key) =>
      post(request, { purpose: 'transfer', details: { [key]: 1 } }),
    ),
    entry('request: many details', MAX_MEMBERS, 400, (text) =>
      call(`/2factor/${request}`, `{"purpose":"transfer","details":${membersOf(text)}}`),
    ),
    entry('request: many members', MAX_MEMBERS, 400, (text) =>
      call(`/2factor/${request}`, membersOf(text)),
    ),
    entry('request: the whole body', MAX_LENGTH, 400, (body) => call(`/2factor/${request}`, body)),
    entry('request: the path', 2_000, 404, (text) =>
      call(`/2factor/${request}/${encodeURI(text.toWellFormed())}`, '{}'),
    ),
    entry('request: the type of the body', MAX_HEADER, 415, (text) =>
      post(request, {}, { 'content-type': `application/json${headerOf(text)}` }),
    ),
    entry('confirm: id', MAX_LENGTH, 400, (id) => post('confirm', { id, code: '123456' })),
    entry('confirm: code', 128, 422, async (code) =>
      post('confirm', { id: await pending(), code }),
    ),
    entry('confirm: a code too long', MAX_LENGTH, 400, (code) =>
      post('confirm', { id: UNKNOWN_ID, code }),
    ),
    entry('resend: id', MAX_LENGTH, 400, (id) => post('resend', { id })),
    entry('resend: way', 64, 404, (way) => post('resend', { id: UNKNOWN_ID, way })),
    entry('resend: a way too long', MAX_LENGTH, 400, (way) =>
      post('resend', { id: UNKNOWN_ID, way }),
    ),
    entry('check: id', MAX_LENGTH, 400, (id) => post('check', { id })),
    entry('the guard: X-Confirmation-Id', MAX_HEADER, 400, (text) =>
      transfer(headerOf(text), {}, `user-${fresh()}`),
    ),
    entry('the guard: details', 3_900, 201, async (text) => {
      const user = `user-${fresh()}`;
      // No proof can be made for a text that no message can take.
      const id = await prove({ text }, user).catch(() => UNKNOWN_ID);
      return transfer(id, { text }, user);
    }),
  ];
}

/** A JSON object with a member for each character. */
function membersOf(text: string): string {
  const names = Array.from(text, (character, index) => JSON.stringify(character + index));
  return `{${names.map((name) => `${name}:1`).join(',')}}`;
}

/** As much of a text as Node sends in a header. */
function headerOf(text: string): string {
  return Array.from(text, (character) =>
    /^[\u0020-\u007e\u00a0-\u00ff]$/.test(character) ? character : '\u00b7',
  ).join('');
}
