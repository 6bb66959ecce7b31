// A second method beside codes, which judges in memory: the three steps keep their guarantees for it too.
import { afterEach, describe, expect, it } from 'vitest';

import {
  CodeMethod,
  CONFIRMATION_METHODS,
  CONFIRMATION_WRITER,
  ConfirmationStore,
  QuotaScopeResolver,
  type ConfirmationMethod,
  type ConfirmationMethods,
  type ConfirmationWriter,
} from '../../lib/confirmation/index.js';
import { LimitService, type MethodResponse, type TwoFactorModuleOptions } from '../../lib/index.js';
import { QuotaLedger } from '../../lib/limits/index.js';
import type { ResolvedOptions } from '../../lib/options/index.js';
import { TWO_FACTOR_OPTIONS } from '../../lib/two-factor.tokens.js';
import { WRONG_CODE } from '../support/canaries.js';
import { engines } from '../support/engines.js';
import { startApp, type TestApp } from '../support/test-app.js';

const RIGHT_WORD = 'the right word';
const WRONG_WORD = 'a wrong word';

/** Compares a word in memory, after the attempt was counted, and then confirms by a guarded write. */
function wordMethod(
  writer: ConfirmationWriter,
  store: ConfirmationStore,
  ledger: QuotaLedger,
  scopes: QuotaScopeResolver,
  { keyRing }: ResolvedOptions,
): ConfirmationMethod<string> {
  return {
    name: 'word',
    confirmedBy: 'totp',
    responseMember: 'word',
    parse: String,
    // No MAC equals an empty one, so that the statement counts the attempt and confirms nothing.
    charge: (_, attempt) => writer.verify({ ...attempt, macs: keyRing.keys.map(() => '') }),
    verify: (word) => (word === RIGHT_WORD ? {} : null),
    settle: async (_, { row }) => {
      const confirmed = await store.confirmByHand(row.id);
      if (confirmed !== null) await ledger.resetAfterSuccess(scopes.scopeOf(row), row.id);
      return confirmed;
    },
    guessOf: (word) => word,
  };
}

/** The response to a method that the types of the package do not name. */
const named = (method: string, word: string): MethodResponse =>
  ({ method, word }) as unknown as MethodResponse;

const opened: TestApp[] = [];
afterEach(async () => {
  for (const test of opened.splice(0).toReversed()) await test.close();
});

async function start(
  input: Parameters<typeof startApp>[0],
  options: TwoFactorModuleOptions = {},
): Promise<TestApp> {
  const test = await startApp({
    ...input,
    options: { limits: {}, ...options },
    override: (builder) =>
      builder.overrideProvider(CONFIRMATION_METHODS).useFactory({
        factory: (code: CodeMethod, ...parts: Parameters<typeof wordMethod>) =>
          new Map<string, ConfirmationMethod>([
            [code.name, code],
            ['word', wordMethod(...parts)],
          ]) satisfies ConfirmationMethods,
        inject: [
          CodeMethod,
          CONFIRMATION_WRITER,
          ConfirmationStore,
          QuotaLedger,
          QuotaScopeResolver,
          TWO_FACTOR_OPTIONS,
        ],
      }),
  });
  opened.push(test);
  return test;
}

describe.each(engines)('A method beside codes on %s', (engine) => {
  const token = 'ann@example.com';
  const failuresOf = async ({ app }: TestApp): Promise<number> =>
    (await app.get(LimitService, { strict: false }).failures({ token })).count;
  const say = async (test: TestApp, id: string, word: string): Promise<string> =>
    (await test.confirmer.verify(id, named('word', word))).outcome;

  it('confirms by its own response, and ends the failures', async () => {
    const test = await start({ engine });
    const state = await test.confirmer.makeConfirmation({ token });

    expect(await say(test, state.id, WRONG_WORD)).toBe('mismatched');
    expect(await failuresOf(test)).toBe(1);
    expect(await say(test, state.id, RIGHT_WORD)).toBe('confirmed');
    expect(await failuresOf(test)).toBe(0);
    expect(await say(test, state.id, RIGHT_WORD)).toBe('refused');
    expect(await test.confirmer.use(state.id)).toBe(true);
    await expect(test.confirmer.verify(state.id, named('none', RIGHT_WORD))).rejects.toThrow(
      'There is no method "none": name one of ',
    );
  });

  it('shares its attempts with the code, and compares no more of them in parallel', async () => {
    const test = await start({ engine });
    const state = await test.confirmer.makeConfirmation({ token });

    const outcomes = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        if (index % 2 === 0) return say(test, state.id, WRONG_WORD);
        return (await test.confirmer.verify(state.id, WRONG_CODE)).outcome;
      }),
    );

    expect(outcomes.filter((outcome) => outcome === 'mismatched')).toHaveLength(5);
    expect(outcomes.filter((outcome) => outcome === 'refused')).toHaveLength(15);
    expect(await say(test, state.id, RIGHT_WORD)).toBe('refused');
    expect(await failuresOf(test)).toBe(5);
  });

  it('has one winner when it is raced against itself and against the code, on two instances', async () => {
    const first = await start({ engine }, { maxAttempts: 10 });
    // A database of sql.js belongs to one application.
    const second =
      engine === 'sqljs'
        ? first
        : await start({ engine, database: first.database }, { maxAttempts: 10 });
    for (let round = 0; round < 5; round += 1) {
      const state = await first.confirmer.makeConfirmation({ token: `user-${round}@example.com` });
      const code = state.code!;

      const outcomes = await Promise.all(
        [first, second, first, second].flatMap((test) => [
          say(test, state.id, RIGHT_WORD),
          test.confirmer.verify(state.id, code).then(({ outcome }) => outcome),
        ]),
      );

      expect(outcomes.filter((outcome) => outcome === 'confirmed')).toHaveLength(1);
      expect(outcomes.filter((outcome) => outcome === 'refused')).toHaveLength(7);
    }
  });
});
