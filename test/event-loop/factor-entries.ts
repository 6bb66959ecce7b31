import { Agent } from 'node:http';

import { ExpressAdapter } from '@nestjs/platform-express';

import type { PurposeDefinition } from '../../lib/index.js';
import { sampleDelivery } from '../../lib/testing/sample-delivery.js';
import { METHODS } from '../support/authenticator.js';
import { DEVICES } from '../support/devices.js';
import { listen } from '../support/listen.js';
import { FIXTURES } from '../support/provider-fixtures.js';
import { startProvider, type Reply } from '../support/provider-server.js';
import { portOf, rawCall } from '../support/raw-http.js';
import { UNKNOWN_ID } from '../support/unknown-id.js';
import { openApplication } from './application.js';
import { fresh, type Entry } from './entry.js';

const MAX_LENGTH = 16_000;
const MAX_HEADER = 4_000;
/** More than is read of an answer. */
const MAX_ANSWER = 70_000;

/** The routes and headers that stand beside a code: challenges, factors, responses to methods, keys, languages and devices. */
export async function factorEntries(): Promise<Entry[]> {
  const bound: PurposeDefinition = {
    subject: (context) =>
      context.switchToHttp().getRequest<{ headers: Record<string, string | undefined> }>().headers[
        'x-user'
      ],
    recipient: () => 'ann@example.com',
  };
  const login: PurposeDefinition = { ...bound, methods: ['device', 'code', 'totp', 'recovery'] };
  const application = await openApplication({
    adapter: new ExpressAdapter(),
    limits: { requestsPerRequester: false },
    options: { methods: [...METHODS, DEVICES], purposes: { login, factors: bound } },
  });
  await listen(application.app);
  const port = portOf(application.app.getHttpServer());
  const agent = new Agent({ keepAlive: true });

  const post = async (
    route: string,
    body: object,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<string> => {
    const all = { 'content-type': 'application/json', 'x-user': `user-${fresh()}`, ...headers };
    const path = `/2factor/${route}`;
    const call = { method: 'POST', path, headers: all, body: JSON.stringify(body) };
    const { status } = await rawCall(port, call, agent);
    if (status >= 500) throw new Error(`${path} answered ${status}.`);
    return String(status);
  };
  const entry = (name: string, maxLength: number, reaches: number, feed: Entry['feed']): Entry => ({
    name,
    maxLength,
    reaches: String(reaches),
    feed,
  });
  const request = (body: object, headers?: Readonly<Record<string, string>>): Promise<string> =>
    post('request-confirmation', { purpose: 'login', method: 'code', ...body }, headers);
  const response = async (method: 'recovery' | 'totp', code: string): Promise<string> => {
    const subject = `user-${fresh()}`;
    const methods = [method];
    const { id } = await application.confirmer.makeConfirmation({
      purpose: 'login',
      subject,
      methods,
    });
    return post('confirm', { id, method, code }, { 'x-user': subject });
  };
  const details = (change: object): Promise<string> =>
    post('request-confirmation', { purpose: 'factors', details: change });

  return [
    entry('challenge: id', MAX_LENGTH, 400, (id) => post('challenge', { id, method: 'passkey' })),
    entry('request: method', MAX_LENGTH, 400, (method) => request({ method })),
    entry('request: Idempotency-Key', MAX_HEADER, 400, (text) =>
      request({}, { 'idempotency-key': headerOf(text) }),
    ),
    entry('request: an Idempotency-Key of 128', 128, 200, (text) =>
      request({}, { 'idempotency-key': headerOf(text) }),
    ),
    entry('request: Accept-Language', MAX_HEADER, 200, (text) =>
      request({}, { 'accept-language': headerOf(text) }),
    ),
    entry('request: the token of a device', MAX_HEADER, 200, (text) =>
      request({ method: undefined }, { 'x-device': headerOf(text) }),
    ),
    entry('confirm: the code of an app', 128, 400, (code) => response('totp', code)),
    entry('confirm: a recovery code', 128, 400, (code) => response('recovery', code)),
    entry('factors/enrol: label', MAX_LENGTH, 400, (label) =>
      post('factors/enrol', { method: 'totp', label }),
    ),
    entry('factors/activate: factor', MAX_LENGTH, 400, (factor) =>
      post('factors/activate', { factor, response: '123456' }),
    ),
    entry('factors/activate: response', MAX_LENGTH, 400, (text) =>
      post('factors/activate', { factor: UNKNOWN_ID, response: text }),
    ),
    entry('factors/rename: label', MAX_LENGTH, 400, (label) =>
      post('factors/rename', { factor: UNKNOWN_ID, label }),
    ),
    // Without a proof it is refused once it is read.
    entry('factors/rename: a label of 64', 64, 403, (label) =>
      post('factors/rename', { factor: UNKNOWN_ID, label }),
    ),
    entry('factors/remove: factor', MAX_LENGTH, 400, (factor) =>
      post('factors/remove', { factor }),
    ),
    entry('a change of factors: its details', 512, 400, (label) =>
      details({ change: 'rename', factor: UNKNOWN_ID, label }),
    ),
    ...(await providerEntries()),
  ];
}

/** What the ready-made senders make of an answer that their provider wrote. */
async function providerEntries(): Promise<Entry[]> {
  let reply: Reply = 'broken';
  const server = await startProvider(() => reply);
  const entries: Entry[] = [];
  for (const fixture of FIXTURES) {
    const send = await fixture.create(server.url);
    entries.push({
      name: `${fixture.name}: an answer`,
      maxLength: MAX_ANSWER,
      reaches: 'failed',
      feed: async (text) => {
        reply = { status: 400, body: text.toWellFormed() };
        const { token, codeDigits } = fixture;
        const delivery = sampleDelivery<never>(token(0), undefined as never, undefined, codeDigits);
        return Promise.resolve(send(delivery)).then(
          () => 'sent',
          () => 'failed',
        );
      },
    });
  }
  return entries;
}

/** As much of a text as Node sends in a header. */
function headerOf(text: string): string {
  return Array.from(text, (character) =>
    /^[\u0020-\u007e\u00a0-\u00ff]$/.test(character) ? character : '\u00b7',
  ).join('');
}
