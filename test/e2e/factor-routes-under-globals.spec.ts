// The routes of the factors under what an application does to all of its routes: each answer has its members, and each refusal its slug.
import { afterEach, describe, expect, it } from 'vitest';

import { METHODS, TestAuthenticator } from '../support/authenticator.js';
import { ENROL, FactorClient, FACTORS, MANY } from '../support/factor-routes.js';
import { adapters, startHttpApp, type HttpTestApp } from '../support/http.js';
import { caught, FILTERS, PIPES, SERIALIZERS } from './application-globals.js';

/** Each pipe, each serializer and each filter at least once. `application-globals.spec.ts` has the pairs, for the other controller. */
const COLUMNS = [PIPES, SERIALIZERS, FILTERS] as const;
const rows = Array.from(
  { length: Math.max(...COLUMNS.map(({ length }) => length)) },
  (_, index) => ({
    globals: COLUMNS.map((column) => column[index % column.length]!),
    adapter: adapters[index % adapters.length]!,
  }),
).map((row) => ({ ...row, names: row.globals.map(({ name }) => name).join('; ') }));

let http: HttpTestApp | undefined;
afterEach(async () => {
  await http?.close();
  http = undefined;
});

describe('The routes of the factors under the globals of an application', () => {
  it.each(rows)('mean the same on $adapter.name with $names', async ({ globals, adapter }) => {
    http = await startHttpApp({
      adapter: adapter.create(),
      options: { controller: true, methods: METHODS, purposes: { factors: FACTORS }, limits: MANY },
      providers: globals.flatMap(({ providers = [] }) => providers),
      configure: (app) => {
        for (const { configure } of globals) configure?.(app);
      },
    });
    caught.length = 0;
    const ann = new FactorClient(http, 'ann');
    const body = { method: 'totp', label: 'My phone' };

    expect(await ann.post('factors/enrol', body)).toBeProblem(403, 'confirmation-required');
    const enrolled = await ann.post('factors/enrol', body, await ann.byCode(ENROL));
    expect(enrolled).toMatchObject({
      status: 200,
      body: {
        factor: { id: expect.any(String) as string, method: 'totp', label: 'My phone' },
        secret: expect.stringMatching(/^[A-Z2-7]{32}$/) as string,
      },
    });
    const { factor, secret } = enrolled.body as { factor: { id: string }; secret: string };
    const app = new TestAuthenticator(secret, http.clock);
    const activated = await ann.activate({ id: factor.id, app });
    expect(activated).toMatchObject({ status: 200, body: { factor: { id: factor.id } } });
    expect((activated.body as { recoveryCodes: unknown[] }).recoveryCodes).toHaveLength(10);
    expect(await ann.list()).toMatchObject([
      { method: 'totp', label: 'My phone' },
      { method: 'recovery', left: 10 },
    ]);
    // The controller has a filter of its own.
    expect(caught).toEqual([]);
  });
});
