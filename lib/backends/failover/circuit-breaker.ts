import { domainToASCII } from 'node:url';

import { withAsciiDigits } from '../../crypto/index.js';

/** When a breaker opens, and for how long. */
export interface BreakerRule {
  /** Failures in a row that open it. */
  readonly threshold: number;
  readonly openMs: number;
}

/** A failure as a breaker sees it. */
export interface BreakerFailure {
  /** The group of the recipient: the beginning of a number, or a domain. */
  readonly group: string;
  /** Whether every recipient is concerned. */
  readonly concernsAll: boolean;
  /** Whether a repeated call must fail, too, as with a wrong password. */
  readonly isLasting: boolean;
}

/**
 * The circuit breaker of one provider in one process. While it is open, messages go to the other providers first.
 *
 * A caller chooses recipients, and must not be able to take a provider away from all others by a number that always fails. So a
 * failure that may be the recipient's counts once for each group of recipients until a message is accepted; only failures that
 * concern everyone count each time, and a refused account opens the breaker at once. A refused recipient counts as nothing.
 */
export class CircuitBreaker {
  #failures = 0;
  readonly #groups = new Set<string>();
  /** `null` while it is closed. */
  #openUntil: number | null = null;
  #isProbing = false;

  constructor(private readonly rule: BreakerRule) {}

  /**
   * Whether the next message may be sent by this provider. After the pause one message at a time tries it; the answer `true`
   * obliges to report what became of that message.
   */
  allows(now: number): boolean {
    if (this.#openUntil === null) return true;
    if (now < this.#openUntil || this.#isProbing) return false;
    this.#isProbing = true;
    return true;
  }

  /** Whether it has been opened and no message was accepted since. The end of the pause alone proves nothing about the provider. */
  get isUnproven(): boolean {
    return this.#openUntil !== null;
  }

  /** Whether the pause lasts: other providers are asked first. After it, one message at a time tries this one. */
  #isPaused(now: number): boolean {
    return this.#openUntil !== null && now < this.#openUntil;
  }

  accepted(): void {
    this.#failures = 0;
    this.#groups.clear();
    this.#openUntil = null;
    this.#isProbing = false;
  }

  /** Counts nothing for a refused recipient or an aborted message, because these are no faults of the provider. */
  unknown(): void {
    this.#isProbing = false;
  }

  /** @returns whether this failure has opened it. */
  failed({ group, concernsAll, isLasting }: BreakerFailure, now: number): boolean {
    this.#isProbing = false;
    const { threshold, openMs } = this.rule;
    // A failure that may be the recipient's does not prolong the pause; one that concerns everyone does.
    const isNew = !concernsAll && !this.#isPaused(now) && !this.#groups.has(group);
    if (concernsAll) this.#failures = Math.min(this.#failures + 1, threshold);
    else if (isNew) this.#add(group);
    const counted = this.#failures + this.#groups.size;
    const hasCounted = isNew || concernsAll;
    const opens = (concernsAll && isLasting) || (hasCounted && counted >= threshold);
    if (opens) this.#openUntil = now + openMs;
    return opens;
  }

  /** Keeps the groups that have failed last, so that the set stays small, and one that is tried after the pause still counts. */
  #add(group: string): void {
    const [oldest] = this.#groups;
    if (this.#groups.size >= this.rule.threshold) this.#groups.delete(oldest!);
    this.#groups.add(group);
  }
}

/** The digits of a number that name a country and, for most, an operator. */
const PREFIX_DIGITS = 5;

/**
 * The group of a recipient, as coarse as an owner of many recipients can be: five digits of a number, a domain without its subdomains,
 * five letters of a name. All spellings of a recipient are in one group, because a stranger who writes one number in five ways must not
 * count as five recipients.
 */
export function groupOf(token: string): string {
  const at = token.lastIndexOf('@');
  if (at !== -1) return domainGroup(token.slice(at + 1).toLowerCase());
  const digits = withAsciiDigits(token).replace(/\D/g, '');
  if (digits !== '') return withoutZeros(digits).slice(0, PREFIX_DIGITS);
  const letters = token
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^\p{L}]/gu, '');
  return letters.slice(0, PREFIX_DIGITS);
}

/** A domain may be written in Unicode and in ASCII (`xn--...`), and with a dot at its end. */
function domainGroup(domain: string): string {
  const labels = (domainToASCII(domain) || domain).split('.').filter((label) => label !== '');
  return labels.slice(-2).join('.');
}

/** `00` may stand for the plus of a number. */
function withoutZeros(digits: string): string {
  let start = 0;
  while (digits[start] === '0') start += 1;
  return digits.slice(start);
}
