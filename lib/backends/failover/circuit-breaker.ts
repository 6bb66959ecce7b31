/** When a breaker opens, and for how long. */
export interface BreakerRule {
  /** Failures in a row that open the breaker, or that make the failover ask the provider itself. */
  readonly threshold: number;
  readonly openMs: number;
}

/** A failure of which it is not known whether another recipient would have it, too. */
export interface UnexplainedFailure {
  /** A digest of the recipient's phone number or address. */
  readonly recipient: string;
  /** Whether the provider or the network failed; false for a refusal, which proves that the provider answers. */
  readonly isTemporary: boolean;
}

/** What a failure leads to. `opened`: the breaker has opened. `ask`: ask the provider itself, and report `pingAnswered` or `pingFailed`. */
export type BreakerVerdict = 'opened' | 'ask' | 'none';

/** The recipients of the last failures that a breaker keeps, so that no caller can fill the memory. */
const MAX_RECIPIENTS = 1_000;

/**
 * The circuit breaker of one provider in one process. While it is open, messages go to the other providers first.
 *
 * A caller chooses recipients, and must not be able to take a provider away from all others by recipients that always fail. So only a
 * failure that concerns every recipient opens it, and a failure that may be the recipient's has two consequences: the next message to
 * that recipient goes to the other providers first, and after `threshold` of them in a row the provider itself is asked whether it
 * answers, without a recipient.
 */
export class CircuitBreaker {
  /** Failures in a row that concern every recipient. */
  #failures = 0;
  /** Failures in a row of which it is not known whether they concern every recipient. */
  #unexplained = 0;
  /** The end of the pause of the open breaker; `null` while it is closed. */
  #openUntil: number | null = null;
  #isProbing = false;
  /** The recipients whose last message failed, with the ends of their pauses. */
  readonly #recipients = new Map<string, number>();

  constructor(private readonly rule: BreakerRule) {}

  /**
   * Whether the next message may be sent by this provider. After the pause one message at a time tries it; the answer `true`
   * obliges to report what became of that message.
   */
  allows(recipient: string, now: number): boolean {
    if (this.#isAvoidedFor(recipient, now)) return false;
    if (this.#openUntil === null) return true;
    if (now < this.#openUntil || this.#isProbing) return false;
    this.#isProbing = true;
    return true;
  }

  /** Whether the breaker has been opened and the provider was not proven to work since. The end of the pause alone proves nothing. */
  get isUnproven(): boolean {
    return this.#openUntil !== null;
  }

  accepted(recipient: string): void {
    this.#recipients.delete(recipient);
    this.#close();
  }

  /**
   * Counts nothing. The failover calls this method for a refused recipient, which is no fault of the provider, and for a provider without
   * a `ping`, which the failover cannot ask whether it answers.
   */
  refused(): void {
    this.#isProbing = false;
  }

  /**
   * Counts a failure that concerns every recipient.
   *
   * @param isLasting whether a repeated call must fail, too, as with a wrong password.
   * @returns `opened` once for each pause. A log would otherwise get one line for each message while every provider is down.
   */
  failed(isLasting: boolean, now: number): BreakerVerdict {
    this.#isProbing = false;
    this.#failures += 1;
    if (isLasting || this.isUnproven || this.#failures >= this.rule.threshold) {
      return this.#open(now) ? 'opened' : 'none';
    }
    return this.#isSuspect ? 'ask' : 'none';
  }

  failedUnexplained({ recipient, isTemporary }: UnexplainedFailure, now: number): BreakerVerdict {
    this.#isProbing = false;
    this.#avoid(recipient, now);
    if (!isTemporary || this.#isPaused(now)) return 'none';
    this.#unexplained += 1;
    // While the provider is asked, no further message tries it.
    this.#isProbing = this.isUnproven;
    return this.isUnproven || this.#isSuspect ? 'ask' : 'none';
  }

  /** The provider has answered a request without a recipient. The failures were those of recipients. */
  pingAnswered(now: number): void {
    // A failure that concerns every recipient may have opened it since the provider was asked.
    if (this.#isPaused(now)) return;
    if (this.isUnproven) this.#close();
    // Failures that concern every recipient stay counted: a provider whose account is limited answers as well.
    else this.#unexplained = 0;
  }

  /**
   * The provider has not answered a request without a recipient.
   *
   * @returns whether that has opened the breaker; not when a message was accepted since the provider was asked, or another failure had opened it before.
   */
  pingFailed(now: number): boolean {
    return (this.isUnproven || this.#isSuspect) && this.#open(now);
  }

  /** Whether so many messages failed in a row that the provider may be down, for whatever reason each of them failed. */
  get #isSuspect(): boolean {
    return this.#failures + this.#unexplained >= this.rule.threshold;
  }

  /** @returns whether a pause begins. One that lasts is made longer. */
  #open(now: number): boolean {
    const wasPaused = this.#isPaused(now);
    this.#openUntil = now + this.rule.openMs;
    this.#isProbing = false;
    return !wasPaused;
  }

  #close(): void {
    this.#failures = 0;
    this.#unexplained = 0;
    this.#openUntil = null;
    this.#isProbing = false;
  }

  /** Whether the pause lasts: other providers are asked first. After it, one message at a time tries this one. */
  #isPaused(now: number): boolean {
    return this.#openUntil !== null && now < this.#openUntil;
  }

  #isAvoidedFor(recipient: string, now: number): boolean {
    const until = this.#recipients.get(recipient);
    if (until === undefined) return false;
    if (now < until) return true;
    this.#recipients.delete(recipient);
    return false;
  }

  #avoid(recipient: string, now: number): void {
    // Deleted before it is set, so that the map stays in the order of the failures.
    this.#recipients.delete(recipient);
    this.#recipients.set(recipient, now + this.rule.openMs);
    const [oldest] = this.#recipients.keys();
    if (this.#recipients.size > MAX_RECIPIENTS) this.#recipients.delete(oldest!);
  }
}
