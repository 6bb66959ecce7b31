// An anonymous client that knows the name or the address of a user learns nothing about the methods of that user.
import { UnauthorizedException, type ExecutionContext } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { PurposeDefinition } from '../../lib/index.js';
import { enrolApp } from '../support/authenticator.js';
import { disclosureTable, documentedRoutes } from '../support/disclosure-table.js';
import { comparable, startHttpApp, type Answer, type HttpTestApp } from '../support/http.js';
import { PASSKEY_METHODS } from '../support/passkeys.js';
import { UNKNOWN_ID } from '../support/unknown-id.js';
import { header } from './controller-fixtures.js';

/** The application's session: no header, no person. */
const subject = (context: ExecutionContext): string | undefined => header(context, 'x-session');
const recipient = (context: ExecutionContext): string => `${subject(context)}@example.com`;
const strict = (context: ExecutionContext): string => {
  const user = subject(context);
  if (user === undefined) throw new UnauthorizedException();
  return user;
};

const purposes = {
  login: { subject, recipient, methods: ['totp', 'code', 'recovery'] },
  strict: { subject: strict, recipient, methods: ['totp', 'recovery'] },
  plain: { subject, recipient },
  'sign-up': { open: true },
  factors: { subject, recipient },
} satisfies Record<string, PurposeDefinition>;

/** All that a stranger can write about a person, in members that a route reads and in members that no route reads. */
const naming = (user: string): Record<string, string> => ({
  subject: user,
  user,
  name: user,
  email: `${user}@example.com`,
});

/**
 * Each route, with a body that names a person, and the reason why its answer does not depend on what that person has.
 */
const ROUTES: readonly [reason: string, route: string, body: object][] = [
  ['a purpose with a subject asks the session first', 'request-confirmation', { purpose: 'login' }],
  ['also when a method is named', 'request-confirmation', { purpose: 'login', method: 'totp' }],
  [
    'also when the method cannot be guessed',
    'request-confirmation',
    { purpose: 'login', method: 'recovery' },
  ],
  ['a resolver that throws is passed on', 'request-confirmation', { purpose: 'strict' }],
  [
    'an open purpose has no subject, and allows a code alone',
    'request-confirmation',
    { purpose: 'sign-up' },
  ],
  [
    'a method is refused for an open purpose, whichever person is named',
    'request-confirmation',
    { purpose: 'sign-up', method: 'totp' },
  ],
  [
    'details are read after the subject',
    'request-confirmation',
    { purpose: 'factors', details: { change: 'recovery-codes' } },
  ],
  [
    'an id that is not one of the session is unknown',
    'confirm',
    { id: UNKNOWN_ID, code: '123456', method: 'totp' },
  ],
  [
    'also for a recovery code',
    'confirm',
    { id: UNKNOWN_ID, code: 'K7QF2-M9DXW-4TH8R-BN3CV-6YJ0P', method: 'recovery' },
  ],
  ['the same is true of a challenge', 'challenge', { id: UNKNOWN_ID, method: 'passkey' }],
  ['the same is true of a message', 'resend', { id: UNKNOWN_ID }],
  ['and of its state', 'check', { id: UNKNOWN_ID }],
  ['the factors are those of the session', 'factors/list', {}],
  ['the subject is asked before a proof', 'factors/enrol', { method: 'totp' }],
  [
    'the subject is asked before an enrolment is looked for',
    'factors/activate',
    { factor: UNKNOWN_ID, response: '123456' },
  ],
  [
    'the subject is asked before a factor is looked for',
    'factors/rename',
    { factor: UNKNOWN_ID, label: 'x' },
  ],
  ['the same is true of a removal', 'factors/remove', { factor: 'recovery', allowLast: true }],
  ['and of new codes', 'factors/recovery-codes', {}],
];

/** A purpose without methods refuses to name one. */
const OTHER_PURPOSES: typeof ROUTES = [
  ['it has a code alone', 'request-confirmation', { purpose: 'plain', method: 'totp' }],
];

const NAMED: Readonly<Record<string, readonly string[]>> = {
  confirm: ['totp', 'code', 'recovery'],
  challenge: ['passkey'],
};

describe('A stranger with the name of a subject', () => {
  let http: HttpTestApp;

  beforeAll(async () => {
    http = await startHttpApp({
      options: { controller: true, methods: PASSKEY_METHODS, purposes, limits: {} },
    });
    await enrolApp(http, 'ann');
  });
  afterAll(() => http.close());

  const call = (route: string, body: object, user: string, more: object = {}): Promise<Answer> =>
    http.post(
      `/2factor/${route}`,
      { ...naming(user), ...body, ...tokenOf(body, user), ...more },
      { 'x-confirmation-id': UNKNOWN_ID, 'x-user': user },
    );

  const statements = async (
    user: string,
    send: (user: string) => Promise<Answer>,
  ): Promise<[Answer, string[]]> => {
    let answer: Answer | undefined;
    const log = await http.log.during(async () => {
      answer = await send(user);
    });
    return [answer!, log.map(({ sql }) => sql)];
  };

  // A token is refused where the application knows the recipient, so that a request with one is another question.
  it.each(
    ROUTES.flatMap(([reason, route, body]) => [
      [reason, route, body, 'name'] as const,
      [reason, route, body, 'address'] as const,
    ]),
  )('learns nothing, because %s: %s with %j and the %s', async (_, route, body, what) => {
    const send = (user: string): Promise<Answer> =>
      call(route, body, user, what === 'address' ? { token: `${user}@example.com` } : {});
    const [ofAnn, forAnn] = await statements('ann', send);
    const [ofNora, forNora] = await statements('nora', send);

    expect(withoutId(ofAnn)).toEqual(withoutId(ofNora));
    expect(forAnn).toEqual(forNora);
    // The row of a confirmation asks whether the factor that confirmed it still exists, and for no other factor.
    const ofFactors = forAnn.filter((sql) => !sql.includes('FROM "two_factor_confirmation"'));
    expect(ofFactors.filter((sql) => sql.includes('two_factor_factor'))).toEqual([]);
  });

  it('gets from each documented route the answers that docs/threats.md lists, and no other', async () => {
    const table = await disclosureTable();
    const seen = new Map<string, Set<string>>();
    for (const [, route, body] of [...ROUTES, ...OTHER_PURPOSES]) {
      if ('purpose' in body && body.purpose === 'strict') continue;
      const token =
        'purpose' in body || route.startsWith('factors') ? {} : { token: 'ann@example.com' };
      const { status, body: answer } = await call(route, body, 'ann', token);
      const { error } = answer as { error?: string };
      const name = `POST /2factor/${route}`;
      seen.set(name, (seen.get(name) ?? new Set()).add([status, error].filter(Boolean).join(' ')));
    }

    const documented = await documentedRoutes();
    expect([...seen.keys()].toSorted()).toEqual(documented.toSorted());
    for (const route of documented) {
      const row = table.find((each) => each.route === route);
      expect([...seen.get(route)!].toSorted(), route).toEqual(row?.answers.toSorted());
    }
  });

  it('learns the methods with the session of that person, which shows that the comparison can fail', async () => {
    const body = { purpose: 'login' };
    const [ann, nora] = await Promise.all(
      ['ann', 'nora'].map((user) =>
        http.post('/2factor/request-confirmation', body, { 'x-session': user }),
      ),
    );

    expect(withoutId(ann!)).not.toEqual(withoutId(nora!));
  });

  it('learns nothing from the confirmation of a person, whose id it has', async () => {
    const make = async (methods: ('code' | 'totp')[]): Promise<string> =>
      (await http.confirmer.makeConfirmation({ subject: 'ann', purpose: 'login', methods })).id;
    const [byApp, byCode] = [await make(['totp']), await make(['code'])];

    for (const route of ['confirm', 'challenge', 'resend', 'check']) {
      for (const method of NAMED[route] ?? [undefined]) {
        const code = method === 'recovery' ? 'K7QF2-M9DXW-4TH8R-BN3CV-6YJ0P' : '123456';
        const answers = await Promise.all(
          [byApp, byCode, UNKNOWN_ID].map((id) =>
            http.post(`/2factor/${route}`, { id, code, method }),
          ),
        );
        expect(answers[0]).toMatchObject({ status: 404 });
        expect(new Set(answers.map((each) => JSON.stringify(comparable(each)))).size).toBe(1);
      }
    }
  });
});

/** Only an open purpose takes the token of a client. */
function tokenOf(body: object, user: string): object {
  return 'purpose' in body && body.purpose === 'sign-up' ? { token: `${user}@example.com` } : {};
}

/** An answer without what every request has of its own, and without the length of the name that the stranger has written. */
function withoutId(answer: Answer): unknown {
  const text = answer.text
    .replace(/"id":"[0-9a-v]{36}"/, '"id":"-"')
    .replace(/"maskedToken":"[^"]*"/, '"maskedToken":"-"');
  const { 'content-length': _, ...headers } = answer.headers;
  return comparable({ ...answer, headers, text });
}
