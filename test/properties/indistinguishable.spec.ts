// I10: over HTTP a client cannot learn whether a confirmation of another subject exists.
import type { ExecutionContext } from '@nestjs/common';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { newId } from '../../lib/crypto/index.js';
import { adapters, comparable, startHttpApp, type HttpTestApp } from '../support/http.js';
import { DEADLINE_MS, runs } from './runs.js';

const userOf = (context: ExecutionContext): string | undefined =>
  context.switchToHttp().getRequest<{ headers: Record<string, string> }>().headers['x-user'];

/** Of one subject only few may be pending. */
let subjects = 0;
const newSubject = (): string => {
  subjects += 1;
  return `ann-${subjects}`;
};

describe.each(adapters)('On $name', ({ create }) => {
  let test: HttpTestApp;

  beforeAll(async () => {
    test = await startHttpApp({
      adapter: create(),
      options: {
        controller: true,
        purposes: {
          transfer: { subject: userOf, recipient: () => 'ann@example.com' },
          open: { open: true },
        },
      },
    });
  });
  afterAll(() => test.close());

  it(
    "answers alike and changes nothing when an id is a stranger's or unknown (I10)",
    async () => {
      const input = fc.record({
        route: fc.constantFrom('confirm', 'resend', 'check'),
        code: fc.oneof(
          fc.constant('right' as const),
          fc.string({ minLength: 6, maxLength: 64, unit: 'grapheme-ascii' }),
          fc.anything().filter((value) => typeof value !== 'bigint'),
        ),
        caller: fc.constantFrom(undefined, 'bob', ''),
        purpose: fc.constantFrom('transfer', 'undeclared'),
        status: fc.constantFrom('pending', 'confirmed', 'cancelled', 'expired'),
      });
      await fc.assert(
        fc.asyncProperty(input, async ({ route, code, caller, purpose, status }) => {
          const state = await test.confirmer.makeConfirmation({ purpose, subject: newSubject() });
          const right = state.code!;
          if (status === 'confirmed') await state.confirm();
          if (status === 'cancelled') await test.confirmer.cancel(state);
          if (status === 'expired') test.clock.advance(600);
          const before = await test.row(state.id);
          const headers: Record<string, string> = caller === undefined ? {} : { 'x-user': caller };
          const ask = (id: string) => {
            const body = {
              id,
              ...(route === 'confirm' ? { code: code === 'right' ? right : code } : {}),
            };
            return test.post(`/2factor/${route}`, body, headers);
          };

          const foreign = await ask(state.id);
          const unknown = await ask(newId(test.clock.now()));

          expect(comparable(foreign)).toEqual(comparable(unknown));
          expect([400, 404]).toContain(foreign.status);
          expect(await test.row(state.id)).toEqual(before);
        }),
        runs(),
      );
    },
    DEADLINE_MS,
  );
});
