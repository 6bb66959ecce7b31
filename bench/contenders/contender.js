/**
 * What a contender of the service level can do. `make` answers whatever its own `confirm` and `use` want.
 *
 * @typedef {object} Contender
 * @property {(person: { subject: string, token: string }, caller: number) => Promise<any>} make
 * @property {(made: any, code: string) => Promise<boolean>} confirm
 * @property {(made: any) => Promise<boolean>} use
 * @property {() => Promise<void>} close
 */

/** It cannot take part here; the message says why. */
export class Absent extends Error {
  name = 'Absent';
}

export const POOL_SIZE = 10;
export const PURPOSE = 'pay';
