/**
 * What a contender of the service level can do. `make` answers whatever its own `confirm` and `use` want.
 *
 * @template [Made=unknown]
 * @typedef {object} Contender
 * @property {(person: { subject: string, token: string }, caller: number) => Promise<Made>} make
 * @property {(made: Made, code: string) => Promise<boolean>} confirm
 * @property {(made: Made) => Promise<boolean>} use
 * @property {() => Promise<void>} close
 */

/** It cannot take part here; the message says why. */
export class Absent extends Error {
  name = 'Absent';
}

export const POOL_SIZE = 10;
export const PURPOSE = 'pay';
