// The actors of the simulations: a customer that asks for codes and types them, and an attacker that guesses at them.
import { WRONG_CODE } from '../support/canaries.js';
import {
  BOUND,
  HOUR,
  idOf,
  MINUTE,
  OPEN,
  OWNER,
  OWNER_AT_HOME,
  OWNER_PHONE,
  retryAfter,
  type Actor,
  type Caller,
  type World,
} from './world.js';

/** Every tenth code that a person types is wrong at first. */
const TYPING_ERROR_EACH = 10;
/** How often a client asks again that was given no time to wait. */
const BLIND_RETRY_SECONDS = 3 * HOUR;
/** `Retry-After` of a counter that strangers share is rounded up to this. */
const COARSE_SECONDS = 5 * MINUTE;

/** Wrong codes in a row, over all that type them. */
export class FailureRun {
  longest = 0;
  #current = 0;

  failed(): void {
    this.#current += 1;
    this.longest = Math.max(this.longest, this.#current);
  }

  ended(): void {
    this.#current = 0;
  }
}

/** A customer that needs a code at regular times, and tries until it works or the next one is due. */
export class Customer implements Actor {
  /** Codes that were needed. */
  needed = 0;
  /** Of these, confirmed and used without one refusal. */
  atOnce = 0;
  /** Of these, confirmed and used before the next one was needed. */
  succeeded = 0;
  refusals = 0;
  messages = 0;
  longestWaitSeconds = 0;
  /** Codes of hers that were compared, right and wrong ones. */
  typed = 0;
  /** Called with the id of each confirmation before its code is typed: as if a stranger had read the id over her shoulder. */
  onPending: (id: string) => Promise<void> = async () => undefined;
  #since: number | null = null;
  #isRefused = false;
  #isSlip = false;
  #nextAt = 0;

  constructor(
    private readonly world: World,
    private readonly purpose: typeof BOUND | typeof OPEN,
    private readonly everySeconds: number,
    private readonly run = new FailureRun(),
  ) {}

  async act(): Promise<number> {
    const now = this.world.clock.now();
    if (this.#since === null || now >= this.#nextAt) {
      this.needed += 1;
      // A customer that still waits for the code before waits on.
      this.#since ??= now;
      this.#isRefused = false;
      this.#isSlip = this.needed % TYPING_ERROR_EACH === 0;
      this.#nextAt = now + this.everySeconds * 1_000;
    }
    const wait = await this.#attempt();
    const waited = (now - this.#since) / 1_000;
    if (wait === null) {
      this.succeeded += 1;
      if (!this.#isRefused) this.atOnce += 1;
      this.longestWaitSeconds = Math.max(this.longestWaitSeconds, waited);
      this.#since = null;
      return (this.#nextAt - now) / 1_000;
    }
    this.refusals += 1;
    this.#isRefused = true;
    this.longestWaitSeconds = Math.max(this.longestWaitSeconds, waited + wait);
    return Math.min(wait, (this.#nextAt - now) / 1_000);
  }

  /** `null` when it went well; else how long to wait. */
  async #attempt(): Promise<number | null> {
    const { world, purpose } = this;
    const { inbox, confirmer } = world.test;
    const isBound = purpose === BOUND;
    const caller: Caller = isBound ? OWNER_AT_HOME : { from: OWNER_AT_HOME.from };
    const body = isBound ? { purpose } : { purpose, token: OWNER_PHONE };
    const asked = await world.call('request-confirmation', body, caller);
    if (asked.status !== 200) return retryAfter(asked) ?? BLIND_RETRY_SECONDS;
    this.messages += 1;
    const id = idOf(asked);
    const code = inbox.lastCode;
    await this.onPending(id);
    const codes = this.#isSlip ? [WRONG_CODE, code] : [code];
    this.#isSlip = false;
    for (const each of codes) {
      const answer = await world.call('confirm', { id, code: each }, caller);
      if (answer.status !== 200 && answer.status !== 422) {
        return retryAfter(answer) ?? BLIND_RETRY_SECONDS;
      }
      this.typed += 1;
      if (each === code) this.run.ended();
      else this.run.failed();
    }
    const isUsed = await confirmer.use(id, { purpose, subject: isBound ? OWNER : undefined });
    if (!isUsed) throw new Error(`The proof of ${purpose} is not valid.`);
    return null;
  }
}

/** What a guesser may do. */
export interface GuesserInput {
  /** The address of the next request. */
  readonly address: () => string;
  /** The subject that the attacker is signed in as, with a stolen password. Absent: a stranger. */
  readonly as?: string;
  /** The least pause between two guesses. @default 0 */
  readonly pauseSeconds?: number;
}

/** Guesses at the owner's codes as fast as it is let: it asks for codes, tries them, and waits no longer than it must. */
export class Guesser implements Actor {
  /** Guesses that were compared with a code. */
  compared = 0;
  /** Requests that were refused. */
  refusals = 0;
  messages = 0;
  /** When the last guess was compared, epoch milliseconds. */
  lastAt = 0;
  /** Statuses that were answered to guesses at confirmations of other people. */
  readonly foreign = new Set<number>();
  readonly #pending: string[] = [];

  constructor(
    private readonly world: World,
    private readonly input: GuesserInput,
    private readonly run: FailureRun,
  ) {}

  async act(): Promise<number> {
    const [id] = this.#pending;
    return id === undefined ? this.#ask() : this.#guess(id);
  }

  /** Calls all routes with the id of another customer's confirmation. */
  async guessAtForeign(id: string): Promise<void> {
    for (let guess = 0; guess < 5; guess += 1) {
      const { status } = await this.world.call('confirm', { id, code: WRONG_CODE }, this.#caller());
      this.foreign.add(status);
    }
    for (const route of ['check', 'resend'] as const) {
      this.foreign.add((await this.world.call(route, { id }, this.#caller())).status);
    }
  }

  async #ask(): Promise<number> {
    const body =
      this.input.as === undefined ? { purpose: OPEN, token: OWNER_PHONE } : { purpose: BOUND };
    const answer = await this.world.call('request-confirmation', body, this.#caller());
    if (answer.status !== 200) return this.#refused(retryAfter(answer));
    this.messages += 1;
    this.#pending.push(idOf(answer));
    return 0;
  }

  async #guess(id: string): Promise<number> {
    const answer = await this.world.call('confirm', { id, code: WRONG_CODE }, this.#caller());
    if (answer.status === 422) {
      this.compared += 1;
      this.lastAt = this.world.clock.now();
      this.run.failed();
      return this.input.pauseSeconds ?? 0;
    }
    if (answer.status === 429) return this.#refused(retryAfter(answer));
    // Over, or out of attempts.
    this.#pending.shift();
    return 0;
  }

  /**
   * The wait is rounded up, so that it pays to ask every minute as soon as it may be over. A lock for good has no wait.
   */
  #refused(seconds: number | null): number {
    this.refusals += 1;
    if (seconds === null) return BLIND_RETRY_SECONDS;
    const least = Math.max(MINUTE, seconds - COARSE_SECONDS + MINUTE);
    return Math.max(this.input.pauseSeconds ?? 0, least);
  }

  #caller(): Caller {
    const { address, as } = this.input;
    return { from: address(), as };
  }
}
