import { Injectable } from '@nestjs/common';

import { Refusal } from '../http/problem.js';
import { TooManyFailures } from './failure-limit.service.js';
import { PartyRate, TooOftenError } from './party-rate.js';
import { PasswordHash } from './password-hash.js';
import { QueueFullError, WorkQueue } from './work-queue.js';

/** A request that is not signed in (by its client's address), or a customer (by the id). */
export type Party =
  | { readonly kind: 'stranger'; readonly address: string }
  | { readonly kind: 'customer'; readonly id: string };

/**
 * Node computes scrypt on a pool of four threads, which also serves files and name look-ups. So at most three computations
 * (96 MiB) run at once and at most 24 wait. Strangers and customers have places of their own: a flood of anonymous
 * sign-ins never keeps a signed-in customer from changing the password.
 */
const STRANGERS = { atOnce: 2, waiting: 16, perParty: 4 };
const CUSTOMERS = { atOnce: 1, waiting: 8, perParty: 2 };

/**
 * How many computations one party begins in ten minutes. Right passwords are no failures, so that the limits of failures never stop an
 * attacker who has an account: from five addresses it could fill all places for strangers for as long as it likes. Wrong passwords that a
 * limit of failures refuses are `tries` only.
 */
const STRANGERS_RATE = { max: 60, tries: 600, perSeconds: 600 };
const CUSTOMERS_RATE = { max: 30, tries: 300, perSeconds: 600 };

const RETRY_AFTER_SECONDS = 5;

@Injectable()
export class PasswordService {
  readonly #rates = {
    stranger: new PartyRate(STRANGERS_RATE),
    customer: new PartyRate(CUSTOMERS_RATE),
  };
  readonly #queues = {
    stranger: new WorkQueue(STRANGERS, this.#rates.stranger),
    customer: new WorkQueue(CUSTOMERS, this.#rates.customer),
  };

  constructor(private readonly hash: PasswordHash) {}

  /**
   * Runs work with passwords once it is its turn. The arithmetic is only handed out here, so that no route computes a
   * password outside the queue.
   *
   * @throws Refusal 503 when too much work waits already, and 429 when the party has begun too much; `work` was not started then.
   */
  async enqueue<T>(party: Party, work: (hash: PasswordHash) => Promise<T>): Promise<T> {
    const { kind } = party;
    const name = kind === 'stranger' ? party.address : party.id;
    try {
      return await this.#queues[kind].run(name, () => work(this.hash));
    } catch (error) {
      // It has computed nothing. Many people may share an address, and one of them must not use up the computations of all by such tries.
      if (error instanceof TooManyFailures) this.#rates[kind].uncount(name);
      if (error instanceof TooOftenError) {
        throw new Refusal(429, 'too-many-passwords', 'There were too many passwords.', {
          retryAfter: error.retryAfterSeconds,
        });
      }
      if (!(error instanceof QueueFullError)) throw error;
      throw new Refusal(503, 'busy', 'The bank is busy. Please try again in a moment.', {
        retryAfter: RETRY_AFTER_SECONDS,
      });
    }
  }
}
