import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startBank, type Bank } from '../support/bank.js';
import { Customer, expectStatus, PASSWORD, TEN_FIFTY, type Answer } from '../support/customer.js';

interface Route {
  readonly method: string;
  readonly path: string;
  /** The members of its body; none for a route without a body. */
  readonly members: readonly string[];
}

interface Schema {
  readonly properties?: Readonly<Record<string, unknown>>;
}

interface Operation {
  readonly requestBody?: {
    readonly content: Readonly<Record<string, { readonly schema: { readonly $ref: string } }>>;
  };
}

const WRONG: readonly unknown[] = [
  7,
  -0.5,
  true,
  null,
  [],
  ['text'],
  {},
  { toString: 1 },
  { length: 3, 0: 'a' },
  { $ne: '' },
  'x'.repeat(200),
  'nul \u0000',
  'line\nbreak\u2028\u202e',
  '\ud800',
];

let bank: Bank;
let ann: Customer;
let routes: Route[];

beforeAll(async () => {
  bank = await startBank();
  ann = await new Customer(bank.url, 'ann@bank.example').signUp();
  await ann.signIn();
  const { body } = await ann.call('GET', '/api-json');
  const { paths, components } = body as {
    paths: Record<string, Record<string, Operation>>;
    components: { schemas: Record<string, Schema> };
  };
  routes = Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, { requestBody }]) => {
      const reference = requestBody?.content['application/json']?.schema.$ref.split('/').at(-1);
      const { properties = {} } = components.schemas[reference ?? ''] ?? {};
      return {
        method: method.toUpperCase(),
        path: path.replace('{id}', '8b2d0a0e-6f57-4e36-9b0a-0f9ad7b0c8a1'),
        members: Object.keys(properties),
      };
    }),
  );
});

afterAll(() => bank?.close());

const changing = (): Route[] => routes.filter(({ method }) => method !== 'GET');
const withBody = (): Route[] => routes.filter(({ members }) => members.length > 0);

/** Each route once, with what is wrong about its answers. */
async function faults(
  which: readonly Route[],
  call: (route: Route) => Promise<Answer>,
  isRight: (answer: Answer) => boolean,
): Promise<string[]> {
  const found: string[] = [];
  for (const route of which) {
    const answer = await call(route);
    if (isRight(answer)) continue;
    found.push(`${route.method} ${route.path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  }
  return found;
}

const isProblem = ({ headers, body, status }: Answer): boolean =>
  headers.get('content-type') === 'application/problem+json; charset=utf-8' &&
  body['status'] === status &&
  typeof body['error'] === 'string' &&
  typeof body['title'] === 'string';

describe('A request from another site', () => {
  const fromElsewhere: readonly Readonly<Record<string, string>>[] = [
    { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' },
    // A neighbouring subdomain: SameSite cookies are sent then.
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'none' },
    { origin: 'https://evil.example' },
    { origin: 'null' },
  ];

  it.each(fromElsewhere)(
    'is refused on every route that changes something: %j',
    async (headers) => {
      expect(changing().length).toBeGreaterThanOrEqual(12);

      const found = await faults(
        changing(),
        ({ method, path }) => ann.call(method, path, method === 'DELETE' ? undefined : {}, headers),
        (answer) =>
          answer.status === 403 && answer.body['error'] === 'cross-site' && isProblem(answer),
      );

      expect(found).toEqual([]);
      expect(await ann.isSignedIn()).toBe(true);
    },
  );

  it('is distinguished from a request of the own page', async () => {
    for (const headers of [{ 'sec-fetch-site': 'same-origin' }, { origin: bank.url }]) {
      const found = await faults(
        withBody(),
        ({ method, path }) => ann.call(method, path, {}, headers),
        (answer) => answer.body['error'] !== 'cross-site',
      );
      expect(found).toEqual([]);
    }
  });

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'])(
    'is refused on every route when it is a form: %s',
    async (type) => {
      const found = await faults(
        changing(),
        ({ method, path }) => ann.call(method, path, '{"a":1}', { 'content-type': type }),
        ({ status }) => status === 415,
      );
      expect(found).toEqual([]);
    },
  );
});

describe('A body', () => {
  it('of wrong types is a 400 with a problem on every open route, and never a 500', async () => {
    let sent = 0;
    const found: string[] = [];
    for (const { method, path, members } of withBody()) {
      for (const member of members) {
        for (const value of WRONG) {
          sent += 1;
          const answer = await ann.call(method, path, { [member]: value });
          // A protected route asks for its proof first; a token of the wrong form can be sent no code.
          const isRight = [400, 403, 422].includes(answer.status) && isProblem(answer);
          if (!isRight) found.push(`${path} ${member} ${JSON.stringify(value)}: ${answer.status}`);
        }
      }
    }
    expect(sent).toBeGreaterThan(200);
    expect(found).toEqual([]);
  });

  it.each(['/api/v1/accounts', '/api/v1/sign-in'])(
    'with everything right but one member is a 400: %s',
    async (path) => {
      const body = { email: 'eve@bank.example', password: PASSWORD };
      const good = path.endsWith('accounts') ? { ...body, confirmationId: 'x' } : body;
      for (const [name, value] of [
        ...Object.keys(good).flatMap((name) =>
          [7, null, [], {}, { toString: 1 }].map((value) => [name, value] as const),
        ),
        ['isAdmin', true] as const,
      ]) {
        expect(await ann.call('POST', path, { ...good, [name]: value })).toMatchObject({
          status: 400,
          body: { error: 'invalid-request' },
        });
      }
    },
  );

  it('with an amount or a payee that is no text is a 400 when a code is asked for and when it is paid', async () => {
    const proof = await ann.proveTransfer(TEN_FIFTY);
    for (const wrong of [
      { amount: { toString: 1 } },
      { amount: { amount: '10.50' } },
      { amount: ['10.50'] },
      { amount: 10.5 },
      { amount: '0.00' },
      { amount: '-1.00' },
      { amount: '1e3' },
      { amount: '10.50 EUR' },
      { payee: { toString: 1 } },
      { payee: ['bob@bank.example'] },
      { payee: 'https://evil.example' },
      { payee: '\ud800' },
      { payee: 'nul\0@bank.example' },
      { payee: '"Call +49 900 1234 now"@bank.example' },
      { payee: '"a\nb"@bank.example' },
      { note: 'Call +49 900 1234 now' },
    ]) {
      const details = { ...TEN_FIFTY, ...wrong };
      const answers = [
        await ann.request({ purpose: 'transfer', way: 'email', details }),
        await ann.transfer(details, proof),
      ];
      for (const answer of answers) {
        expectStatus(answer, 400);
        expect(isProblem(answer)).toBe(true);
      }
    }
    expectStatus(await ann.transfer(TEN_FIFTY, proof), 204);
  });

  it('that is no object, no JSON or too large is a 4xx with a problem on every route', async () => {
    for (const body of [
      '[]',
      '[{"email":"a"}]',
      '{"a":',
      '"text"',
      'null',
      '{"__proto__":{"a":1}}',
      '[[[[1]]]]',
    ]) {
      const found = await faults(
        withBody(),
        ({ method, path }) => ann.call(method, path, body),
        (answer) => [400, 403].includes(answer.status) && isProblem(answer),
      );
      expect(found, body).toEqual([]);
    }
    const large = await ann.call('POST', '/api/v1/sign-in', { email: 'x'.repeat(20_000) });
    expect(large).toMatchObject({ status: 413, body: { error: 'too-large' } });
    expect(await ann.call('DELETE', '/api/v1/sessions/nonsense')).toMatchObject({
      status: 400,
      body: { error: 'invalid-request' },
    });
    expect(await ann.call('GET', '/api/v1/nothing')).toMatchObject({ status: 404 });
  });

  it('is never repeated in the answer', async () => {
    const secret = 'canary-of-a-password';
    const { body } = await ann.call('POST', '/api/v1/sign-in', { email: 7, password: [secret] });
    expect(JSON.stringify(body)).toContain('password must be a string');
    expect(JSON.stringify(body)).not.toContain(secret);
  });
});

describe('The answers', () => {
  it('are kept by no cache, framed by no page and send no referrer', async () => {
    const found = await faults(
      routes.filter(({ method }) => method === 'GET'),
      ({ path }) => ann.call('GET', path),
      ({ status, headers }) => status === 200 && headers.get('cache-control') === 'no-store',
    );
    expect(found).toEqual([]);
    for (const path of ['/', '/api/v1/me', '/API/V1/ME', '/inbox', '/nothing']) {
      const { headers } = await ann.call('GET', path);
      expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
      expect(headers.get('content-security-policy')).toContain("script-src 'self';");
      expect(headers.get('x-frame-options')).toBe('DENY');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('referrer-policy')).toBe('no-referrer');
      expect(headers.get('cross-origin-resource-policy')).toBe('same-origin');
      expect(headers.get('access-control-allow-origin')).toBeNull();
      expect(headers.get('x-powered-by')).toBeNull();
      if (path !== '/') expect(headers.get('cache-control')).toBe('no-store');
    }
  });
});
