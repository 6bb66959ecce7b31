// One cycle of the growth rounds (make, a wrong code, the right code, use), and the statements that the library prepares for it.
import { expect } from 'vitest';

import { ConfirmerService } from '../../../lib/index.js';
import { WRONG_CODE } from '../../support/canaries.js';
import type { TestApp } from '../../support/test-app.js';

/** What the library prepares at the least, alone and together. */
export const PREPARED = [
  /^INSERT /,
  /^UPDATE \S+ SET "attempts"/,
  /^UPDATE \S+ SET "used_at"/,
  /^UPDATE \S+ SET "way"/,
  /^UPDATE \S+ SET "cancelled_at"/,
  /^SELECT .* WHERE "id" = \$1$/,
  /^SELECT .* WHERE "id" > \$1 AND "id" <= \$2 .* LIMIT \$\d$/s,
  /^DELETE .* WHERE "id" IN \(\$1/,
  /^WITH given .* INSERT /,
  /^WITH given .* SET "attempts"/,
  /^WITH given .* SET "used_at"/,
  /^WITH given .* updated AS .* SET "attempts"/,
  /^WITH given .* updated AS .* SET "used_at"/,
];

/** Makes a row of 600 bytes. */
const PAYMENT = {
  purpose: 'transfer',
  subject: 'user-0123456789abcdef',
  details: { amount: '1250.00', currency: 'EUR', payee: 'DE02 1203 0000 0000 2020 51' },
} as const;
export const MADE = { ...PAYMENT, meta: { session: 'x'.repeat(40) } };

/** A whole life, and the id of who lived it. */
export async function cycle({ app }: TestApp, subject: string = PAYMENT.subject): Promise<string> {
  const confirmer = app.get(ConfirmerService, { strict: false });
  const token = `${subject}@mail.example`;
  const state = await confirmer.makeConfirmation({ ...MADE, subject, token });
  const [, wrong] = await confirmer.confirm(state.id, WRONG_CODE);
  const [, right] = await confirmer.confirm(state.id, state.code!);
  const used = await confirmer.use(state.id, { ...PAYMENT, subject });
  expect([wrong, right, used]).toEqual([false, true, true]);
  return state.id;
}

let people = 0;

/** A cycle of a new subject, so that no limit refuses it. */
export async function newcomersCycle(app: TestApp): Promise<string> {
  people += 1;
  return cycle(app, `user-${people}`);
}
