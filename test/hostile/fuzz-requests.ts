// The requests of fuzz.spec.ts: bodies, headers, methods and paths that no honest client would send, drawn from one seed.
import { METHODS, type OutgoingHttpHeaders } from 'node:http';

import * as fc from 'fast-check';

import type { Route } from '../support/documented-answers.js';
import type { RawRequest } from '../support/raw-http.js';

export const REQUESTS = 5_000;
export const SEED = Number(process.env['FUZZ_SEED'] ?? 20_261_122);

const ROUTES: readonly Route[] = ['request-confirmation', 'confirm', 'resend', 'check'];

export interface FuzzRequest extends RawRequest {
  readonly route: Route;
}

/** Real ids, which a stranger could know. The pending one has no subject, so that any client with its id may act on it. */
interface Ids {
  readonly open: string;
  readonly others: readonly string[];
}

const unicode = fc.string({ unit: 'binary', maxLength: 60 });
const anything = fc.anything({ withNullPrototype: true, withSparseArray: true, maxDepth: 4 });
const lookalike = fc
  .array(fc.constantFrom(...Array.from('0123456789abcdefghijklmnopqrstuv')), {
    minLength: 35,
    maxLength: 35,
  })
  .map((letters) => `${letters.join('')}0`);

/** Nothing that could be a code after blanks and dashes are dropped. */
const noCode = fc.oneof(
  fc.constantFrom<unknown>(null, '', '      ', 123456, true, {}, [], ['123456'], '12345', '১২৩৪৫৬'),
  fc.array(
    fc.nat(999_999).map((code) => String(code).padStart(6, '0')),
    { minLength: 1 },
  ),
  fc.string({ unit: 'binary', maxLength: 20 }).map((text) => `${text}\u0000`),
  fc.dictionary(fc.string(), fc.string()),
  fc.constantFrom('$ne', '$gt', '$regex', 'toString', 'length').map((key) => ({ [key]: '123456' })),
  fc.integer({ min: 65, max: 90_000 }).map((length) => '1'.repeat(length)),
);
const someCode = fc.oneof(
  noCode,
  fc.nat(999_999).map(String),
  fc.string({ maxLength: 70 }),
  anything,
);

function idBody({ open, others }: Ids): fc.Arbitrary<unknown> {
  const strange = fc.oneof(
    fc.constantFrom(...others),
    lookalike,
    fc.constantFrom(...others).map((id) => id.toUpperCase()),
    fc.tuple(fc.constantFrom(...others), unicode).map(([id, more]) => id + more),
    unicode,
    anything,
  );
  return fc.oneof(
    fc.record({ id: strange, code: someCode }, { requiredKeys: [] }),
    fc.record({ id: fc.constant(open), code: noCode }, { requiredKeys: ['id'] }),
    fc.record({ id: strange, code: someCode, attempts: fc.integer(), confirmedAt: fc.nat() }),
  );
}

/** Undeclared, or one whose subject none of these callers is. */
const foreignPurpose = fc.oneof(
  fc.constantFrom<unknown>('login', 'withdraw', 'LOGIN', 'constructor', '__proto__', '', 0, [], {}),
  unicode.map((text) => `${text}!`),
);
const noToken = fc.oneof(
  fc.constantFrom<unknown>(
    '',
    ' a@b.example',
    'a@b.example\r\nBcc: c@d.example',
    0,
    [],
    {},
    null,
    '\ud800',
  ),
  unicode.map((text) => `\u0000${text}`),
  fc.array(fc.emailAddress()),
);
const requestBody = fc.oneof(
  fc.record({
    token: fc.emailAddress(),
    purpose: foreignPurpose,
    way: anything,
    details: anything,
  }),
  fc.record({ token: fc.oneof(fc.emailAddress(), fc.webUrl()), purpose: foreignPurpose }),
  fc.record({ token: noToken, way: fc.constantFrom('default', 'constructor', '') }),
  fc.record({ purpose: foreignPurpose, details: fc.object({ maxDepth: 6 }) }),
  fc.record({ details: anything }),
);

const polluting = fc.constantFrom(
  '{"__proto__":{"polluted":1,"id":"x","code":"123456"}}',
  '{"constructor":{"prototype":{"polluted":1}}}',
  '{"id":{"__proto__":{"length":36}},"code":{"__proto__":{"length":6}}}',
  '{"details":{"__proto__":{"polluted":1}},"token":""}',
  '{"id":"x","id":"y","code":"1","code":"2"}',
);
const broken = fc.constantFrom(
  '',
  '{',
  '{"id":',
  'null',
  '0',
  '"x"',
  'nul',
  '[[[',
  '\ufeff{}',
  'id=1&code=2',
  '\u0000',
);
// Each made once: ten thousand of them would be the growth that is looked for.
const deep = fc.constantFrom(
  ...['[', '{"a":', '{"id":['].flatMap((opening) =>
    [10, 100, 1_000, 20_000].map((depth) => opening.repeat(depth)),
  ),
);
const huge = fc.constantFrom(
  ...['id', 'code', 'token', 'x'].flatMap((member) =>
    [60_000, 110_000, 1_200_000].map((length) => `{"${member}":"${'x'.repeat(length)}"}`),
  ),
);

const asText = (value: unknown): string => {
  try {
    return JSON.stringify(value) ?? '';
  } catch {
    return '';
  }
};

const bodyOf = (route: Route, ids: Ids): fc.Arbitrary<string | Buffer> =>
  fc.oneof(
    {
      weight: 10,
      arbitrary: (route === 'request-confirmation' ? requestBody : idBody(ids)).map(asText),
    },
    { weight: 4, arbitrary: anything.map(asText) },
    { weight: 3, arbitrary: fc.json({ maxDepth: 6 }) },
    { weight: 2, arbitrary: polluting },
    { weight: 2, arbitrary: broken },
    { weight: 1, arbitrary: deep },
    { weight: 1, arbitrary: huge },
    { weight: 2, arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)) },
  );

const contentType = fc.oneof(
  { weight: 12, arbitrary: fc.constant('application/json') },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      'APPLICATION/JSON; charset=utf-8',
      'application/json; charset=utf-16',
      'application/json; charset=nonsense',
      'application/json;',
      'application/json, text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'text/plain',
      'application/problem+json',
      '',
      ';',
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme-ascii', maxLength: 30 }) },
);
const latin1 = fc
  .array(
    fc.integer({ min: 0x20, max: 0xff }).filter((unit) => unit !== 0x7f),
    { maxLength: 80 },
  )
  .map((units) => String.fromCharCode(...units));
const headerValue = fc.oneof(
  latin1,
  fc.constantFrom(
    'eve',
    'null',
    '127.0.0.1',
    'POST',
    '[object Object]',
    'gzip',
    '*/*',
    '__proto__',
  ),
  fc.integer({ min: 1_000, max: 8_000 }).map((length) => 'x'.repeat(length)),
);
const headers: fc.Arbitrary<OutgoingHttpHeaders> = fc.oneof(
  { weight: 2, arbitrary: fc.constant({}) },
  {
    weight: 1,
    arbitrary: fc.dictionary(
      fc.constantFrom(
        'x-user',
        'x-confirmation-id',
        'x-http-method-override',
        'x-forwarded-for',
        'x-forwarded-host',
        'accept',
        'accept-encoding',
        'content-encoding',
        'origin',
        'cookie',
        'authorization',
        'if-none-match',
        'range',
        'x-polluted',
      ),
      headerValue,
      { maxKeys: 4, noNullPrototype: true },
    ),
  },
);
// CONNECT opens a tunnel, and is no request to an application.
const method = fc.oneof(
  { weight: 12, arbitrary: fc.constant('POST') },
  { weight: 1, arbitrary: fc.constantFrom(...METHODS.filter((name) => name !== 'CONNECT')) },
);
const pathOf = (route: Route): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(`/2factor/${route}`, `/2factor/${route}/`) },
    {
      weight: 2,
      arbitrary: fc.constantFrom(
        `/2factor/${route}//`,
        `//2factor/${route}`,
        `/2factor/${route.toUpperCase()}`,
        `/2factor/../2factor/${route}`,
        `/2factor/${route}%00`,
        `/2factor/${route}%2f`,
        `/2factor/%ff/${route}`,
        `/2factor/${route}?__proto__[polluted]=1&id[]=1`,
        `/2factor/${route}/${'x'.repeat(4_000)}`,
        '/2factor',
        '/',
        '*',
      ),
    },
    { weight: 1, arbitrary: fc.webPath({ size: 'small' }).map((path) => `/2factor${path}`) },
    {
      weight: 1,
      arbitrary: unicode.map((text) => `/2factor/${route}/${encodeURI(text.toWellFormed())}`),
    },
  );

export function hostileRequests(ids: Ids): FuzzRequest[] {
  const arbitrary = fc.constantFrom(...ROUTES).chain((route) =>
    fc
      .tuple(method, pathOf(route), contentType, headers, bodyOf(route, ids))
      .map(([method, path, type, more, body]) => ({
        route,
        method,
        path,
        headers: { 'content-type': type, ...more },
        body,
      })),
  );
  return fc.sample(arbitrary, { numRuns: REQUESTS, seed: SEED });
}
