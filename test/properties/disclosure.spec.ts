// I9: what leaves the module, by whatever way, holds no code, no full token and no secret.
import { inspect } from 'node:util';

import type { LoggerService } from '@nestjs/common';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { ConfirmationState, LimitService, TwoFactorEvents } from '../../lib/index.js';
import { recordOutput, WRONG_CODE } from '../support/canaries.js';
import type { TestApp } from '../support/test-app.js';
import { LIMITS } from './limits-model.js';
import { DEADLINE_MS, propertyEngines, runs } from './runs.js';
import { SECRETS, World } from './world.js';

/** As unmistakable as the codes. */
const TOKENS = ['ann.qzxkvw@example.com', '+14155550123'];

const OPERATIONS = [
  'make',
  'request',
  'send',
  'resend',
  'right',
  'wrong',
  'wrong',
  'old',
  'decorated',
  'byHand',
  'use',
  'reuse',
  'useInTransaction',
  'cancel',
  'check',
  'failures',
  'tamper',
  'wait',
] as const;

/** Every text in which a line of a log could show a value. */
function textsOf(value: unknown): string[] {
  const texts = [
    inspect(value, { depth: 8, showHidden: true, maxStringLength: null }),
    inspect(value, { depth: 8, showHidden: true, customInspect: false }),
    String(value),
  ];
  if (value instanceof Error) texts.push(value.stack ?? '', ...textsOf(value.cause ?? null));
  try {
    texts.push(JSON.stringify(value) ?? '');
  } catch {
    // Nothing to be read, then.
  }
  return texts;
}

describe.each(propertyEngines)('On %s', (engine) => {
  let world: World;
  let app: TestApp;
  const said: string[] = [];
  const say = (...what: unknown[]): void => {
    recordOutput('log', ...what);
    for (const each of what) said.push(...textsOf(each));
  };
  const logger: LoggerService = {
    log: say,
    error: say,
    warn: say,
    debug: say,
    verbose: say,
    fatal: say,
  };

  beforeAll(async () => {
    world = await World.open({
      engine,
      logger,
      options: {
        resend: 'rotate',
        limits: { ...LIMITS, pending: false, sprayDetection: { confirmations: 2 } },
      },
    });
    app = await world.app(['old'], 1);
    app.app.get(TwoFactorEvents, { strict: false }).subscribe(say);
  });
  afterAll(() => world.close());

  it(
    'discloses no code, full token or secret in an answer, error, event, line of log, statement, parameter or row (I9)',
    async () => {
      const step = fc.record({
        operation: fc.constantFrom(...OPERATIONS),
        failure: fc.constantFrom('none' as const, 'transient' as const, 'permanent' as const),
        token: fc.nat({ max: TOKENS.length - 1 }),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 12 }), async (steps) => {
          await world.clear();
          said.length = 0;
          app.log.statements.length = 0;
          const limits = app.app.get(LimitService, { strict: false });
          const { confirmer, sender, twoFactor, dataSource } = app;
          const codes: string[] = [];
          let state = await confirmer.makeConfirmation({ subject: 'ann' });
          for (const { operation, failure, token: which } of steps) {
            const token = TOKENS[which]!;
            const code = world.drawn.at(-1) ?? WRONG_CODE;
            const { id } = state;
            world.failure = failure;
            const perform = {
              make: () => confirmer.makeConfirmation({ subject: 'ann', token }),
              request: () => twoFactor.request({ subject: 'ann', token }),
              send: () => sender.send(null, token, state, { locale: 'uk' }),
              resend: () => twoFactor.resend(state),
              right: () => confirmer.confirm(id, code),
              wrong: () => confirmer.confirm(id, WRONG_CODE),
              old: () => confirmer.confirm(id, world.drawn[0]!),
              decorated: () => confirmer.confirm(id, `${code.slice(0, 4)} ${code.slice(4)}`),
              byHand: () => state.confirm(),
              use: () =>
                confirmer.use(id, { subject: 'ann', idempotencyKey: 'the-key-of-an-effect' }),
              reuse: () => confirmer.use(id, { subject: 'ann' }),
              useInTransaction: () =>
                dataSource.transaction((manager) => confirmer.use(id, { subject: 'ann', manager })),
              cancel: () => confirmer.cancel(id),
              check: () => confirmer.check(id),
              failures: () => limits.failures({ token }),
              tamper: async () => {
                await dataSource.query(
                  `UPDATE two_factor_confirmation SET subject = 'eve' WHERE id = '${id}'`,
                );
                return [await confirmer.check(id), state];
              },
              wait: async () => world.clock.advanceTo(world.clock.now() + 60_000),
            }[operation];
            const answer: unknown = await perform().catch((error: unknown) => error);
            world.failure = 'none';
            say(answer);
            const made = (answer as { state?: unknown } | null)?.state ?? answer;
            if (ConfirmationState.is(made)) state = made;
            codes.push(...world.drawn);
          }
          for (const { sql, parameters } of app.log.statements) said.push(sql, inspect(parameters));
          said.push(inspect(await world.rows(), { depth: 4 }));
          said.push(inspect(await dataSource.query('SELECT * FROM two_factor_limit')));

          const all = said.join('\n').toLowerCase();
          const leaked = (secrets: readonly string[]): number =>
            secrets.filter((secret) => all.includes(secret.toLowerCase())).length;
          // Counts, so that a failing run shows none of them either.
          expect({
            codes: leaked([...new Set(codes)]),
            tokens: leaked(TOKENS),
            secrets: leaked(Object.values(SECRETS)),
          }).toEqual({ codes: 0, tokens: 0, secrets: 0 });
          expect(codes.length).toBeGreaterThan(0);
        }),
        runs(),
      );
    },
    DEADLINE_MS,
  );
});
