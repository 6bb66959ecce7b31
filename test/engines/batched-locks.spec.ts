// A lock refuses the right code of a person also where the call shares its statement with calls of others.
import { afterEach, describe, expect, it } from 'vitest';

import { LimitService, TwoFactorEvents, TwoFactorTooManyRequestsError } from '../../lib/index.js';
import { makeMany, many, personOf } from '../support/batch-contract.js';
import { WRONG_CODE } from '../support/canaries.js';
import { engines } from '../support/engines.js';
import { startApp, type TestApp } from '../support/test-app.js';

const LOCKED = 8;
const PEOPLE = 12;

let test: TestApp | undefined;
afterEach(async () => {
  await test?.close();
  test = undefined;
});

describe.each(engines)('The right codes of many people at once on %s', (engine) => {
  it('are refused for those who are locked, confirm those who are not, and confirm all after the lock', async () => {
    // Also in the rounds whose environment switches batching and limits off.
    const options = { batching: true, env: false, limits: {} };
    test = await startApp({ engine, options });
    const { app, confirmer, clock } = test;
    const locked: unknown[] = [];
    app.get(TwoFactorEvents).subscribe((event) => {
      if (event.type === 'locked' && event.scope !== 'confirmation') locked.push(event);
    });
    const [first, second, last] = [
      await makeMany(test, PEOPLE),
      await makeMany(test, PEOPLE),
      await makeMany(test, PEOPLE),
    ];
    for (const made of [first, second]) {
      for (let tries = 0; tries < 5; tries += 1) {
        await Promise.all(made.slice(0, LOCKED).map(({ id }) => confirmer.confirm(id, WRONG_CODE)));
      }
    }
    const confirm = (): Promise<unknown[]> =>
      many(PEOPLE, (index) =>
        confirmer.confirm(last[index]!.id, last[index]!.code!).then(
          ([, confirmed]) => confirmed,
          (error: unknown) => error,
        ),
      );

    const outcomes = await confirm();

    const refused = expect.any(TwoFactorTooManyRequestsError) as unknown;
    expect(outcomes).toEqual([
      ...Array.from({ length: LOCKED }, () => refused),
      ...Array.from({ length: PEOPLE - LOCKED }, () => true),
    ]);
    const counts = await many(LOCKED, async (index) => {
      const { token, subject } = personOf(index);
      return (await app.get(LimitService).failures({ token, subject })).count;
    });
    expect(counts).toEqual(Array.from({ length: LOCKED }, () => 10));
    // Each person was locked by one call, whose statement knew of it.
    expect(locked).toHaveLength(LOCKED);

    clock.advance(31);
    const later = await confirm();
    expect(later.slice(0, LOCKED)).toEqual(Array.from({ length: LOCKED }, () => true));
  });
});
