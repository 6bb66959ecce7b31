// A stranger that knows the address of a customer learns nothing about the customer's methods, and not whether there is an account:
// every route of the sample application answers the same for all three.
import { FactorService } from 'nestjs-two-factor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { User } from '../../sample-app/src/accounts/user.entity.js';
import { startBank, type Bank } from '../support/bank.js';
import { Customer, PASSWORD, TWO_FACTOR, type Answer } from '../support/customer.js';
import { disclosureTable } from '../support/disclosure-table.js';
import { enrolPasskey } from '../support/passkeys.js';
import { UNKNOWN_ID } from '../support/unknown-id.js';

/** As long as each other, so that no answer differs by its length alone. */
const STRONG = 'ann@bank.example';
const PLAIN = 'ben@bank.example';
const NOBODY = 'eve@bank.example';

const METHODS = [undefined, 'code', 'totp', 'passkey', 'recovery', 'device'];
const PURPOSES = [
  'sign-up',
  'login',
  'change-phone',
  'change-password',
  'transfer',
  'factors',
  'new-phone',
];

/** An enrolment is activated by a response, which a confirmation by an app does not take. */
const RESPONSES: Readonly<Record<string, object>> = {
  [`${TWO_FACTOR}/factors/activate`]: { response: '123456' },
};

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly body: object | undefined;
}

interface Schema {
  readonly properties?: Readonly<Record<string, unknown>>;
}

interface Operation {
  readonly requestBody?: {
    readonly content: Readonly<Record<string, { readonly schema: { readonly $ref: string } }>>;
  };
}

describe('A stranger at the sample application', () => {
  let bank: Bank;
  /** Each route of the application with the members of its body. */
  let routes: readonly { readonly method: string; readonly path: string; members: string[] }[];

  beforeAll(async () => {
    bank = await startBank();
    for (const email of [STRONG, PLAIN]) await new Customer(bank.url, email).signUp();
    const { id: subject } = await bank.dataSource
      .getRepository(User)
      .findOneByOrFail({ email: STRONG });
    const factors = bank.app.get(FactorService, { strict: false });
    await factors.import({ subject, method: 'totp', secret: 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ' });
    await factors.regenerateRecoveryCodes({ subject });
    await enrolPasskey(bank, subject, { origin: 'http://localhost:3000' });

    const { body } = await new Customer(bank.url, NOBODY).call('GET', '/api-json');
    const { paths, components } = body as {
      paths: Record<string, Record<string, Operation>>;
      components: { schemas: Record<string, Schema> };
    };
    routes = Object.entries(paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, { requestBody }]) => {
        const name = requestBody?.content['application/json']?.schema.$ref.split('/').at(-1);
        const members = Object.keys(components.schemas[name ?? '']?.properties ?? {});
        return { method: method.toUpperCase(), path: path.replace('{id}', UNKNOWN_ID), members };
      }),
    );
  });
  afterAll(() => bank?.close());

  /** Everything that a stranger can write about a person. */
  const written = (email: string): Record<string, unknown> => ({
    email,
    token: email,
    account: email,
    payee: email,
    password: 'a wrong password',
    newPassword: 'another password',
    amount: '1.00',
    phone: '+15555550123',
    id: UNKNOWN_ID,
    confirmationId: UNKNOWN_ID,
    phoneConfirmationId: UNKNOWN_ID,
    factor: UNKNOWN_ID,
    code: '123456',
    label: 'x',
    method: 'totp',
    allowLast: true,
    remember: true,
  });

  /** One call of each route, and one of `request-confirmation` for each purpose and method. */
  function askedAbout(email: string): readonly Asked[] {
    const values = written(email);
    return routes.flatMap(({ method, path, members }) => {
      const given = members.filter((name) => name in values).map((name) => [name, values[name]]);
      const hasBody = members.length > 0 || path.includes('/2factor/');
      const body = hasBody
        ? { ...(Object.fromEntries(given) as object), ...RESPONSES[path] }
        : undefined;
      if (!path.endsWith('/request-confirmation')) return [{ method, path, body }];
      return PURPOSES.flatMap((purpose) =>
        METHODS.map((named) => {
          const token = purpose === 'sign-up' || purpose === 'new-phone' ? { token: email } : {};
          return { method, path, body: { purpose, method: named, ...token } };
        }),
      );
    });
  }

  const answersFor = async (email: string): Promise<string[]> => {
    const stranger = new Customer(bank.url, email);
    const answers: string[] = [];
    for (const { method, path, body } of askedAbout(email)) {
      const answer = await stranger.call(method, path, body, { 'x-confirmation-id': UNKNOWN_ID });
      answers.push(`${method} ${path} ${JSON.stringify(body)} ${comparable(answer)}`);
    }
    expect(stranger.cookies.size).toBe(0);
    return answers.map((each) => each.replaceAll(email, 'someone'));
  };

  it('gets the same answers for a customer with methods, one without, and an address without an account', async () => {
    const [strong, plain, none] = [
      await answersFor(STRONG),
      await answersFor(PLAIN),
      await answersFor(NOBODY),
    ];

    expect(routes.length).toBeGreaterThanOrEqual(20);
    expect(strong.length).toBeGreaterThan(PURPOSES.length * METHODS.length + 19);
    // The open purpose sends a code to any named recipient, so that the comparison is about more than refusals.
    expect(strong.filter((each) => / 20[0-9] /.test(each)).length).toBeGreaterThan(1);
    expect(plain).toEqual(strong);
    expect(none).toEqual(strong);
  });

  it('gets from each route the answers that docs/threats.md lists, and no other', async () => {
    const table = await disclosureTable();
    const stranger = new Customer(bank.url, STRONG);
    const seen = new Map<string, Set<string>>();
    for (const { method, path, body } of askedAbout(STRONG)) {
      const answer = await stranger.call(method, path, body, { 'x-confirmation-id': UNKNOWN_ID });
      const error = answer.body['error'] as string | undefined;
      const route = `${method} ${path.replace('/api/v1/auth/', '/').replace(UNKNOWN_ID, '{id}')}`;
      const given = seen.get(route) ?? new Set<string>();
      seen.set(route, given.add([answer.status, error].filter(Boolean).join(' ')));
    }

    expect([...seen.keys()].toSorted()).toEqual(table.map(({ route }) => route).toSorted());
    for (const { route, answers } of table) {
      expect([...seen.get(route)!].toSorted(), route).toEqual(answers.toSorted());
    }
  });

  it('learns the methods with the password, which shows that the comparison can fail', async () => {
    const [strong, plain] = [
      new Customer(bank.url, STRONG, PASSWORD),
      new Customer(bank.url, PLAIN, PASSWORD),
    ];
    const answers: unknown[] = [];
    for (const customer of [strong, plain]) {
      await customer.givePassword();
      const { body } = await customer.call('POST', `${TWO_FACTOR}/request-confirmation`, {
        purpose: 'login',
      });
      answers.push(body['methods']);
    }

    expect(answers).toEqual([['passkey', 'totp', 'code', 'recovery'], ['code']]);
  });
});

/** Status, headers and body, without what each answer has of its own. */
function comparable({ status, headers, body }: Answer): string {
  const { date: _date, etag: _etag, ...others } = Object.fromEntries(headers);
  const text = JSON.stringify(body)
    .replaceAll(/urn:uuid:[0-9a-f-]{36}/g, 'urn:uuid:-')
    .replaceAll(/"id":"[0-9a-v]{36}"/g, '"id":"-"')
    .replaceAll(/"(expiresAt|resendAt)":"[^"]*"/g, '"$1":"-"')
    .replaceAll(/"(expiresIn|resendIn)":\d+/g, '"$1":0')
    .replaceAll(/"maskedToken":".\*\*\*/g, '"maskedToken":"-***');
  return ` ${status} ${JSON.stringify(others)} ${text}`;
}
