import { randomBytes, randomInt } from 'node:crypto';

/**
 * The right code of every confirmation, so that the benchmark needs no way to learn it that users do not
 * have. It is drawn all the same, see `drawCode`.
 */
export const CODE = '271828';

const RUN = randomBytes(5).toString('hex');
let people = 0;

/** A new person, so that no limit is ever reached. */
export function newPerson() {
  people += 1;
  return { subject: `user-${RUN}-${people}`, token: `${RUN}-${people}@example.com` };
}

/** What drawing a code costs a contender that is written by hand. */
export function drawCode() {
  randomInt(1_000_000).toString().padStart(6, '0');
  return CODE;
}

/** Another one each time: one wrong code on many confirmations would look like an attack. */
export function wrongCode() {
  const code = randomInt(1_000_000).toString().padStart(6, '0');
  return code === CODE ? '000000' : code;
}

/**
 * Make, a wrong code, the right code, use.
 *
 * @param {import('../contenders/contender.js').Contender} contender
 * @param {number} caller
 */
export async function cycle(contender, caller) {
  const made = await contender.make(newPerson(), caller);
  if (await contender.confirm(made, wrongCode())) throw new Error('A wrong code was accepted.');
  if (!(await contender.confirm(made, CODE))) throw new Error('The right code was refused.');
  if (!(await contender.use(made))) throw new Error('The proof was refused.');
}
