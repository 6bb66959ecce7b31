import { Injectable, Logger } from '@nestjs/common';

import { expectInput, inputMembers, TwoFactorInputError } from '../errors/index.js';
import type { ResolvedOptions } from '../options/index.js';
import { InjectTwoFactorOptions } from '../two-factor.tokens.js';
import { QuotaLedger } from './quota-ledger.js';
import type { FailureScope } from './quota-planner.js';
import { isActive } from './store/limit-rules.js';

const SCOPE_MEMBERS = inputMembers<FailureScope>({ token: true, subject: true, method: true });

/** A calling code has 1 to 3 digits, and a number at most 15. */
const PREFIX = /^\+\d{2,15}$/;

/** Consecutive wrong codes of a phone number or address, or of a subject together with it. */
export interface FailureCount {
  readonly count: number;
  /** `null` when it is not locked, or stopped for good. */
  readonly lockedUntil: Date | null;
  /** Whether only `reset()` ends the lock. */
  readonly isPermanentlyLocked: boolean;
}

/**
 * Reads and resets what the limits count. A store that does not answer is a `TwoFactorUnavailableError`.
 *
 * @publicApi
 */
@Injectable()
export class LimitService {
  readonly #logger = new Logger(LimitService.name);

  /** @internal It is injected. */
  constructor(
    private readonly ledger: QuotaLedger,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {}

  /**
   * Ends the lock, also the permanent one, and the messages of a phone number or address that clients name, or of a subject and
   * the one that the application names for it, or the lock of a subject's method. All are counted apart: `reset({ token })` does
   * not reach what was counted for a subject. `reset({ subject, token })` also ends what purposes with `claimedSubject` have counted
   * for that phone number or address. Writes a line to the log.
   *
   * @param scope `{ token }`, `{ subject, token }` or `{ subject, method }`; `{ subject }` for codes that the application delivers itself.
   * @throws TwoFactorInputError for anything else.
   */
  async reset(scope: FailureScope): Promise<void> {
    expectInput('reset', scope, SCOPE_MEMBERS);
    const { planner } = this.ledger;
    const failures = planner.failureKeys(scope);
    const messages = planner.messageKeys(scope);
    // Two calls, because PostgreSQL's statements lock failures before windows; one statement in the order of keys could deadlock
    // with them.
    await this.ledger.release(failures);
    if (messages.length > 0) await this.ledger.release(messages);
    const { token, subject } = scope;
    const recipient = token === undefined ? '' : ` recipient ${this.ledger.tokenKey(token)}`;
    const owner = subject === undefined ? '' : ' a subject and';
    this.#logger.log(`The limits of${owner}${recipient || ' its codes'} were reset by hand.`);
  }

  /**
   * Forgets the messages to a prefix of phone numbers that were counted in the current window of `limits.sendsPerPrefix`, and the codes
   * that were confirmed. A prefix that `mode: 'deny'` has closed is open again immediately, on every instance, and is closed once more when
   * too few of the codes of its next messages are confirmed. Writes a line to the log.
   *
   * It costs up to `min` messages if they are fraud after all, so call it for a prefix that you have looked at, and not for each that is
   * reported.
   *
   * @param prefix the calling code and the first digits, as the event `toll-fraud-suspected` names it: `+380501`.
   * @returns how many messages were counted: 0 for a prefix of another length, or one that got no message in this window. Messages to numbers
   *   that clients name are counted apart from others; this is the larger of both numbers.
   * @throws TwoFactorInputError for a malformed prefix.
   * @example
   * ```ts
   * const counted = await limits.resetPrefix('+380501');
   * ```
   */
  async resetPrefix(prefix: string): Promise<number> {
    if (typeof prefix !== 'string' || !PREFIX.test(prefix)) {
      throw new TwoFactorInputError(
        'prefix is not a calling code and the first digits of numbers. Give what the event toll-fraud-suspected names, such as +380501.',
      );
    }
    const counted = await this.ledger.resetPrefix(prefix);
    this.#logger.log(
      `The messages to ${prefix} were reset by hand: ${counted} were counted in this window.`,
    );
    return counted;
  }

  /**
   * How many wrong codes in a row were compared. For `{ subject, token }` it is the larger count, where purposes with `claimedSubject`
   * have one of their own for that phone number or address.
   *
   * @param scope as of `reset`.
   * @throws TwoFactorInputError for anything else.
   */
  async failures(scope: FailureScope): Promise<FailureCount> {
    expectInput('failures', scope, SCOPE_MEMBERS);
    const { planner } = this.ledger;
    const levels = await this.ledger.read(planner.failureKeys(scope));
    const rule = planner.failureRule;
    const now = this.options.clock.now();
    // Each failure is counted under each secret.
    const count = Math.max(0, ...levels.map(({ amount }) => amount));
    const isPermanentlyLocked = rule !== null && levels.some(({ amount }) => amount >= rule.max);
    const locks = levels.filter((level) => rule !== null && isActive(level, rule, now));
    const endsAt = Math.max(0, ...locks.map((level) => level.endsAt));
    return {
      count,
      isPermanentlyLocked,
      lockedUntil: isPermanentlyLocked || endsAt === 0 ? null : new Date(endsAt),
    };
  }
}
