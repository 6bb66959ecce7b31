/**
 * Many requests at once, in four applications on one database, as several instances would be (on sql.js one application,
 * whose calls still overlap). It proves that parallel requests gain no message and no guess: of 40 requests of one subject
 * five are made, and of 200 wrong codes at those five ten are compared.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { TwoFactorError, type TwoFactorRequestInput } from '../../lib/index.js';
import { installAttemptTrigger, loggedAttempts } from '../support/attempt-trigger.js';
import { WRONG_CODE } from '../support/canaries.js';
import { engines } from '../support/engines.js';
import { NaiveLimits } from '../support/naive-limits.js';
import { startApp, type TestApp } from '../support/test-app.js';

const MESSAGES_IN_TEN_MINUTES = 5;
const GUESSES_BEFORE_THE_LOCK = 10;

const PARTIES: readonly { what: string; request: TwoFactorRequestInput }[] = [
  {
    what: 'a subject and its token',
    request: { purpose: 'login', subject: 'ann', token: 'ann@example.com' },
  },
  { what: 'an open token', request: { token: 'bob@example.com' } },
  {
    what: 'a token that the client of a subject named',
    request: {
      purpose: 'change-mail',
      subject: 'carol',
      token: 'carol@example.com',
      tokenFrom: 'client',
    },
  },
];

describe.each(engines)('Parallel requests on %s', (engine) => {
  const apps: TestApp[] = [];
  let naive: NaiveLimits;

  beforeAll(async () => {
    // Waiting for a connection is not what is tested.
    const input = {
      options: { limits: {}, databaseTimeoutMs: 60_000 },
      dataSource: { poolSize: 5 },
    };
    const first = await startApp({ engine, ...input });
    apps.push(first);
    for (let count = engine === 'sqljs' ? 0 : 3; count > 0; count -= 1) {
      apps.push(await startApp({ engine, database: first.database, ...input }));
    }
    await installAttemptTrigger(first.dataSource);
    naive = new NaiveLimits(first.dataSource);
    await naive.install();
  });
  afterAll(async () => {
    for (const app of apps.toReversed()) await app.close();
  });
  const app = (index: number): TestApp => apps[index % apps.length]!;

  it.each(PARTIES)(
    'make five of 40 confirmations of $what, and compare ten of 200 wrong codes at them',
    async ({ request }) => {
      const sentBefore = apps.flatMap(({ inbox }) => inbox.deliveries).length;
      const requests = await Promise.all(
        Array.from({ length: 40 }, (_, index) =>
          app(index)
            .twoFactor.request({ ...request, requester: `198.51.${index}.1` })
            .then(
              ({ id }) => id,
              (error: unknown) => error,
            ),
        ),
      );
      const ids = requests.filter((outcome) => typeof outcome === 'string');
      const refusals = requests.filter((outcome) => typeof outcome !== 'string');

      expect(ids).toHaveLength(MESSAGES_IN_TEN_MINUTES);
      expect(refusals.map((error) => error instanceof TwoFactorError && error.code)).toEqual(
        refusals.map(() => 'too-many-requests'),
      );
      expect(apps.flatMap(({ inbox }) => inbox.deliveries)).toHaveLength(
        sentBefore + MESSAGES_IN_TEN_MINUTES,
      );

      await Promise.all(
        Array.from({ length: 200 }, (_, index) =>
          app(index)
            .confirmer.confirm(ids[index % ids.length]!, WRONG_CODE)
            .catch((error: unknown) => {
              if (!(error instanceof TwoFactorError)) throw error;
              expect(error.code).toBe('too-many-requests');
            }),
        ),
      );

      let compared = 0;
      for (const id of ids) compared += await loggedAttempts(apps[0]!.dataSource, id);
      expect(compared).toBe(GUESSES_BEFORE_THE_LOCK);
    },
  );

  it('make and compare more in the naive twin, which reads a counter before it writes it', async () => {
    const made = await Promise.all(
      Array.from({ length: 40 }, () => naive.spend('messages', MESSAGES_IN_TEN_MINUTES)),
    );
    expect(made.filter(Boolean).length).toBeGreaterThan(MESSAGES_IN_TEN_MINUTES);
    const compared = await Promise.all(
      Array.from({ length: 200 }, () => naive.spend('guesses', GUESSES_BEFORE_THE_LOCK)),
    );
    expect(compared.filter(Boolean).length).toBeGreaterThan(GUESSES_BEFORE_THE_LOCK);
  });
});
