import { randomInt } from 'node:crypto';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  CodeMethod,
  ConfirmationCreator,
  ConfirmationRedeemer,
  ConfirmationStates,
  ConfirmationStore,
  ConfirmationVerifier,
  EventPublisher,
  chooseWriter,
  PrefixWatch,
  QuotaScopeResolver,
  TestRecipients,
  PurgeService,
} from '../../lib/confirmation/index.js';
import { ConfirmationRecord, ConfirmerService } from '../../lib/index.js';
import { QuotaLedger } from '../../lib/limits/index.js';
import { maxBatchSize, purposeAccess, type ResolvedOptions } from '../../lib/options/index.js';
import { TWO_FACTOR_OPTIONS } from '../../lib/two-factor.tokens.js';
import { drawCanaryCode, WRONG_CODE } from '../support/canaries.js';
import { installAttemptTrigger, loggedAttempts } from '../support/attempt-trigger.js';
import { engines } from '../support/engines.js';
import { NaiveConfirmer } from '../support/naive-confirmer.js';
import { startApp, type TestApp } from '../support/test-app.js';

type Confirmer = Pick<ConfirmerService, 'cancel' | 'confirm' | 'use'>;

const LIMIT = 5;

/** How many of the calls, all started together, answered true. */
async function winners(count: number, call: () => Promise<boolean>): Promise<number> {
  const answers = await Promise.all(Array.from({ length: count }, call));
  return answers.filter(Boolean).length;
}

/** As many confirmers on one data source, none of which waits for another: what several instances are to a database. */
async function confirmersOf({ app, dataSource }: TestApp, count: number): Promise<Confirmer[]> {
  const options: ResolvedOptions = app.get(TWO_FACTOR_OPTIONS, { strict: false });
  const {
    databaseTimeoutMs: timeoutMs,
    preparedStatements,
    maxAttempts,
    keyRing,
    clock,
    useWithinSeconds,
  } = options;
  const ledger = app.get(QuotaLedger, { strict: false });
  const scopes = app.get(QuotaScopeResolver, { strict: false });
  const publisher = app.get(EventPublisher, { strict: false });
  const recipients = app.get(TestRecipients, { strict: false });
  const open = async (): Promise<Confirmer> => {
    const store = await ConfirmationStore.open(dataSource, {
      timeoutMs,
      preparedStatements,
      maxBatchSize: maxBatchSize(options),
      tries: maxAttempts + 1,
      keys: keyRing.keys.length,
      purposes: purposeAccess(options),
      clock,
      useWithinMs: useWithinSeconds * 1_000,
    });
    const writer = chooseWriter(store, ledger, scopes, options);
    const code = new CodeMethod(writer, options);
    const methods = new Map([[code.name, code]]);
    const states = new ConfirmationStates(store, ledger, scopes, publisher, options);
    const prefixes = new PrefixWatch(ledger, scopes, publisher);
    return new ConfirmerService(
      new ConfirmationCreator(store, writer, ledger, states, publisher, recipients, options),
      new ConfirmationVerifier(store, methods, states, scopes, publisher, prefixes, options),
      new ConfirmationRedeemer(store, states, publisher, options),
      states,
      new PurgeService(store, ledger, options),
    );
  };
  return Promise.all(Array.from({ length: count }, open));
}

interface Guess {
  readonly code: string;
  readonly isRight: boolean;
}

/**
 * The most rounds that may hit when five of 100 guesses are compared: less than one is expected to, and seven or more do once in two million
 * runs.
 */
const MOST_HITS = 6;

/** In how many of 12 rounds one of 100 different guesses hit. The right one is at a random place. */
async function hitsOfGuesses(guess: (guesses: Guess[]) => Promise<number>): Promise<number> {
  let hits = 0;
  for (let round = 0; round < 12; round += 1) {
    const rightAt = randomInt(100);
    const guesses = Array.from({ length: 100 }, (_, at) => ({
      code: drawCanaryCode(),
      isRight: at === rightAt,
    }));
    hits += await guess(guesses);
  }
  return hits;
}

/** One after the other, for ever. */
function inTurns<T>(items: readonly T[]): () => T {
  let next = 0;
  return () => {
    next += 1;
    return items[next % items.length]!;
  };
}

// Within one application the calls for one confirmation wait for each other (`Lanes`), which must not be what makes these
// tests pass: they meet through many stores, and where a second connection is possible through many applications.
describe.each(engines)('Races on %s', (engine) => {
  let test: TestApp;
  let naive: NaiveConfirmer;
  let others: TestApp[];
  let confirmer: () => Confirmer;

  beforeAll(async () => {
    // A thousand callers share twenty connections: waiting for one of them is not what is tested.
    const options = { databaseTimeoutMs: 60_000, maxAttempts: LIMIT };
    const dataSource = { poolSize: 5 };
    test = await startApp({ engine, options, dataSource });
    others = [];
    for (let count = engine === 'sqljs' ? 0 : 3; count > 0; count -= 1) {
      others.push(await startApp({ engine, database: test.database, options, dataSource }));
    }
    const confirmers = await Promise.all([test, ...others].map((app) => confirmersOf(app, 8)));
    confirmer = inTurns(confirmers.flat());
    naive = new NaiveConfirmer(test.dataSource.getRepository(ConfirmationRecord));
    await installAttemptTrigger(test.dataSource);
  });
  afterAll(async () => {
    for (const other of others) await other.close();
    await test.close();
  });

  it('lets one of 100 parallel uses win', async () => {
    const state = await test.confirmer.makeConfirmation({ isConfirmed: true });

    expect(await winners(100, () => confirmer().use(state.id))).toBe(1);
    expect(await test.confirmer.use(state.id)).toBe(false);
  });

  it('lets many of 100 parallel uses win in the naive twin', async () => {
    const state = await test.confirmer.makeConfirmation({ isConfirmed: true });

    expect(await winners(100, () => naive.use(state.id))).toBeGreaterThan(1);
  });

  it('compares five of 1,000 parallel wrong codes and then refuses the right one', async () => {
    const state = await test.confirmer.makeConfirmation();
    const code = state.code!;

    const confirmed = await winners(1_000, async () => {
      const [, done] = await confirmer().confirm(state.id, WRONG_CODE);
      return done;
    });

    expect(confirmed).toBe(0);
    expect(await loggedAttempts(test.dataSource, state.id)).toBe(LIMIT);
    const [after, done] = await test.confirmer.confirm(state.id, code);
    expect(done).toBe(false);
    expect(after).toMatchObject({ status: 'locked', attemptsLeft: 0 });
    expect(await loggedAttempts(test.dataSource, state.id)).toBe(LIMIT);
  });

  it('compares more than five of 1,000 parallel wrong codes in the naive twin', async () => {
    const state = await test.confirmer.makeConfirmation();
    const twin = new NaiveConfirmer(test.dataSource.getRepository(ConfirmationRecord));

    await winners(1_000, () => twin.confirm(state.id, false));

    expect(twin.comparisons).toBeGreaterThan(LIMIT);
  });

  // Counts hits and not the column `attempts`: a statement that wrote at most five into the column and still compared every guess would
  // pass the tests above.
  it('lets 100 parallel guesses, one of them right, hit in few of 12 rounds', async () => {
    const hits = await hitsOfGuesses(async (guesses) => {
      const { id, code } = await test.confirmer.makeConfirmation();
      return winners(guesses.length, async () => {
        const guess = guesses.pop()!;
        const [, isConfirmed] = await confirmer().confirm(id, guess.isRight ? code! : guess.code);
        return isConfirmed;
      });
    });

    expect(hits).toBeLessThanOrEqual(MOST_HITS);
  });

  it('lets parallel guesses hit in more rounds in the naive twin', async () => {
    const hits = await hitsOfGuesses(async (guesses) => {
      const { id } = await test.confirmer.makeConfirmation();
      return winners(guesses.length, () => naive.confirm(id, guesses.pop()!.isRight));
    });

    expect(hits).toBeGreaterThan(MOST_HITS);
  });

  it.each([1, 2, 10])('compares exactly %i codes at a limit of so many', async (maxAttempts) => {
    const limited = await startApp({ engine, options: { databaseTimeoutMs: 60_000, maxAttempts } });
    await installAttemptTrigger(limited.dataSource);
    const state = await limited.confirmer.makeConfirmation();

    const rival = inTurns(await confirmersOf(limited, 25));

    await winners(50, async () => (await rival().confirm(state.id, WRONG_CODE))[1]);

    expect(await loggedAttempts(limited.dataSource, state.id)).toBe(maxAttempts);
    expect((await limited.confirmer.confirm(state.id, state.code!))[1]).toBe(false);
    await limited.close();
  });

  it('confirms one of 100 parallel right codes', async () => {
    const state = await test.confirmer.makeConfirmation();
    const code = state.code!;

    const confirmed = await winners(
      100,
      async () => (await confirmer().confirm(state.id, code))[1],
    );

    expect(confirmed).toBe(1);
    expect(await loggedAttempts(test.dataSource, state.id)).toBe(1);
  });

  it('confirms many of 100 parallel right codes in the naive twin', async () => {
    const state = await test.confirmer.makeConfirmation();

    expect(await winners(100, () => naive.confirm(state.id, true))).toBeGreaterThan(1);
  });

  it('compares at most five of 50 right and 50 wrong codes, and confirms at most once', async () => {
    const state = await test.confirmer.makeConfirmation();
    const codes = [state.code!, WRONG_CODE];
    let turn = 0;

    const confirmed = await winners(100, async () => {
      turn += 1;
      return (await confirmer().confirm(state.id, codes[turn % 2]!))[1];
    });

    expect(confirmed).toBeLessThanOrEqual(1);
    const attempts = await loggedAttempts(test.dataSource, state.id);
    expect(attempts).toBeLessThanOrEqual(LIMIT);
    // Fewer than five were compared only if one of them was right.
    expect(confirmed === 1 || attempts === LIMIT).toBe(true);
  });

  it('sends one message for 10 parallel resends', async () => {
    const { state } = await test.twoFactor.request({ token: 'ann@example.com' });
    test.clock.advance(30);
    const sent = test.inbox.deliveries.length;

    const accepted = await winners(10, () =>
      test.twoFactor.resend(state.id).then(
        () => true,
        () => false,
      ),
    );

    expect(accepted).toBe(1);
    expect(test.inbox.deliveries.length - sent).toBe(1);
  });

  it('makes one confirmation and one message of 16 parallel requests with one key', async () => {
    const sent = test.inbox.deliveries.length;
    const key = `request-key-${engine}-0001`;

    const requests = await Promise.all(
      Array.from({ length: 16 }, () =>
        test.twoFactor.request({ token: 'ann@example.com', idempotencyKey: key }),
      ),
    );

    expect(new Set(requests.map(({ id }) => id)).size).toBe(1);
    expect(test.inbox.deliveries.length - sent).toBe(1);
  });

  it('ends parallel calls of cancel, confirm and use in a status that one order of them explains', async () => {
    const state = await test.confirmer.makeConfirmation();
    const code = state.code!;

    const [cancelled, , used] = await Promise.all([
      confirmer().cancel(state.id),
      confirmer().confirm(state.id, code),
      confirmer().use(state.id),
    ]);

    const [after] = await test.confirmer.check(state.id);
    expect(cancelled && used).toBe(false);
    expect(after?.status).toBe(cancelled ? 'cancelled' : used ? 'used' : 'confirmed');
  });
});
