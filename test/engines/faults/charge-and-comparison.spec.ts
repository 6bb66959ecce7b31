// The connection breaks between the charge of the failure and the comparison of the code, or between the comparison and the
// end of the failures. With the quotas in the database one statement of each server does all of it. With a limit store of the
// application each is a statement of its own, so that the quota and the confirmation may disagree. The quota may then be charged
// too much, and never too little.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  LimitService,
  TwoFactorUnavailableError,
  type ConfirmationState,
} from '../../../lib/index.js';
import { WRONG_CODE } from '../../support/canaries.js';
import { sharedCounters } from '../../strangers/shared-counters.js';
import { servers } from '../../support/engines.js';
import {
  expectNoStrayRejections,
  startBehindProxy,
  STATEMENTS,
  type BehindProxy,
} from './behind-proxy.js';

const END_OF_FAILURES = /^UPDATE .two_factor_limit. SET /;

expectNoStrayRejections();

const cases = servers.flatMap((engine) => [
  { engine, kept: 'in the database' },
  { engine, kept: 'by a store of the application' },
]);

describe.each(cases)(
  'The charge and the comparison on $engine, with quotas kept $kept',
  (input) => {
    const { engine, kept } = input;
    const isStepwise = kept !== 'in the database';
    let behind: BehindProxy;
    let tokens = 0;

    beforeAll(async () => {
      // The limits of the defaults, also in the rounds that run without limits.
      const limitStore = isStepwise ? sharedCounters([]) : undefined;
      behind = await startBehindProxy(engine, {
        options: { limits: {}, databaseTimeoutMs: 60_000, limitStore },
      });
    });
    afterAll(() => behind.close());

    async function pending(): Promise<{ made: ConfirmationState; token: string }> {
      tokens += 1;
      const token = `charged-${tokens}@example.com`;
      const made = await behind.direct.confirmer.makeConfirmation({ token, way: 'default' });
      return { made, token };
    }

    async function failuresOf(token: string): Promise<number> {
      const { count } = await behind.direct.app.get(LimitService).failures({ token });
      return count;
    }

    it.each(['a wrong code', 'the right code'])(
      'leaves at most one failure and no attempt when the comparison of %s never arrives',
      async (kind) => {
        const { test, direct, proxy, row } = behind;
        const { made, token } = await pending();
        const trap = proxy.trap(STATEMENTS.confirm, 'cut-before');

        const code = kind === 'a wrong code' ? WRONG_CODE : made.code!;
        await expect(test.confirmer.confirm(made.id, code)).rejects.toBeInstanceOf(
          TwoFactorUnavailableError,
        );

        expect(trap.caught).toBe(1);
        expect(await failuresOf(token)).toBe(isStepwise ? 1 : 0);
        expect(await row(made.id)).toMatchObject({ attempts: 0, confirmedAt: null });

        expect((await direct.confirmer.confirm(made.id, made.code!))[1]).toBe(true);
        expect(await failuresOf(token)).toBe(0);
      },
    );

    it('leaves the failure and the attempt of a wrong code when the answer of the comparison is lost', async () => {
      const { test, direct, proxy, row } = behind;
      const { made, token } = await pending();
      const trap = proxy.trap(STATEMENTS.confirm, 'lose-answer');

      await expect(test.confirmer.confirm(made.id, WRONG_CODE)).rejects.toBeInstanceOf(
        TwoFactorUnavailableError,
      );

      expect(trap.caught).toBe(1);
      expect(await failuresOf(token)).toBe(1);
      expect(await row(made.id)).toMatchObject({ attempts: 1, confirmedAt: null });
      expect((await direct.confirmer.confirm(made.id, made.code!))[1]).toBe(true);
      expect(await failuresOf(token)).toBe(0);
    });

    it('confirms when the statement that ends the failures never arrives, and keeps them where it is a statement of its own', async () => {
      const { test, direct, proxy } = behind;
      const { made, token } = await pending();
      await direct.confirmer.confirm(made.id, WRONG_CODE);
      const trap = proxy.trap(END_OF_FAILURES, 'cut-before');

      expect((await test.confirmer.confirm(made.id, made.code!))[1]).toBe(true);

      expect(trap.caught).toBe(isStepwise ? 1 : 0);
      proxy.calm();
      expect(await failuresOf(token)).toBe(isStepwise ? 2 : 0);
      expect(await test.confirmer.use(made.id)).toBe(true);
    });
  },
);
