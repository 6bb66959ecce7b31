import { Injectable, Logger } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import { limitKey, shortId } from '../crypto/index.js';
import { AfterCommit } from '../database/index.js';
import { TwoFactorUnavailableError, type MethodName } from '../errors/index.js';
import {
  TwoFactorEvents,
  type BudgetExhaustedEvent,
  type ConfirmedEvent,
  type DeliveryDroppedEvent,
  type DeliveryFailedEvent,
  type ConfirmationEventBase,
  type SenderBrokenEvent,
} from '../events/index.js';
import {
  messageClassOf,
  SprayDetector,
  limitOfError,
  QuotaLedger,
  type PrefixLedger,
  type QuotaReceipt,
  type QuotaScope,
  type Tally,
} from '../limits/index.js';
import type { ResolvedOptions } from '../options/index.js';
import { InjectTwoFactorOptions } from '../two-factor.tokens.js';
import type { StoredBinding } from './model/binding.js';
import type { ConfirmationRow } from './model/confirmation-record.entity.js';
import { maskToken } from './model/mask-token.js';
import { scopeOfContent, QuotaScopeResolver } from './model/quota-scope-resolver.js';

/** Why a message that waited is not sent: its confirmation waits for it no longer. */
export type DeliveryDropReason = DeliveryDroppedEvent['reason'];

/** The pause between two events about one broken provider. */
const BROKEN_EVERY_MS = 60_000;

/** The confirmation of an event, as far as it is known; the id is empty before there is a confirmation. */
interface ConfirmationOfEvent {
  readonly id: string;
  readonly way: string;
}

/**
 * Publishes the events. An event carries no code, no secret and no full phone number or address, and is not emitted before its
 * commit.
 */
@Injectable()
export class EventPublisher {
  readonly #logger = new Logger(EventPublisher.name);
  readonly #sprayDetector: SprayDetector;
  /** When each broken provider was last reported, epoch milliseconds. */
  readonly #brokenAt = new Map<string, number>();
  /** When the window of each exhausted quota ends, epoch milliseconds: one event for each window. */
  readonly #exhaustedUntil = new Map<string, number>();

  constructor(
    private readonly events: TwoFactorEvents,
    private readonly afterCommit: AfterCommit,
    private readonly scopes: QuotaScopeResolver,
    private readonly ledger: QuotaLedger,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {
    this.#sprayDetector = new SprayDetector(options.limits.sprayDetection);
  }

  /** Whether there are subscribers. Rows that are needed only for an event are not read otherwise. */
  get hasSubscribers(): boolean {
    return this.events.isObserved;
  }

  created(
    confirmation: ConfirmationOfEvent,
    scope: QuotaScope,
    manager: EntityManager | undefined,
  ): void {
    this.#afterCommit(manager, () => {
      this.events.emit(() => ({ type: 'created', ...this.#facts(confirmation, scope) }));
    });
  }

  sent(row: ConfirmationRow): void {
    const { sends } = row;
    this.events.emit(() => ({ type: 'sent', sends, ...this.#factsOf(row) }));
  }

  testRecipientUsed(row: ConfirmationRow): void {
    const { sends } = row;
    this.events.emit(() => ({ type: 'test-recipient-used', sends, ...this.#factsOf(row) }));
  }

  sendFailed(row: ConfirmationRow, isPermanent: boolean): void {
    const { sends } = row;
    this.events.emit(() => ({ type: 'send-failed', sends, isPermanent, ...this.#factsOf(row) }));
  }

  deliveryFailed(row: ConfirmationRow, reason: DeliveryFailedEvent['reason']): void {
    const { sends } = row;
    this.events.emit(() => ({ type: 'delivery-failed', sends, reason, ...this.#factsOf(row) }));
  }

  deliveryDropped(row: ConfirmationRow, sends: number, reason: DeliveryDropReason): void {
    this.events.emit(() => ({ type: 'delivery-dropped', sends, reason, ...this.#factsOf(row) }));
  }

  /** Publishes a provider that refuses the application: at most once a minute, because every message would repeat it. */
  senderBroken(facts: Omit<SenderBrokenEvent, 'type' | 'at'>): void {
    const now = this.options.clock.now();
    const provider = `${facts.way} ${facts.provider}`;
    const last = this.#brokenAt.get(provider);
    if (last !== undefined && Math.abs(now - last) < BROKEN_EVERY_MS) return;
    this.#brokenAt.set(provider, now);
    this.events.emit(() => ({ type: 'sender-broken', at: new Date(now), ...facts }));
  }

  /** Publishes a refused request or message, if a limit has refused it. */
  sendBlocked(error: unknown, confirmation: ConfirmationOfEvent, scope: QuotaScope): void {
    const refusal = limitOfError(error);
    if (refusal === null) return;
    const facts = (): ConfirmationEventBase => this.#facts(confirmation, scope);
    this.events.emit(() => ({ type: 'send-blocked', ...refusal, ...facts() }));
    const { limit, retryAfterSeconds } = refusal;
    if (error instanceof TwoFactorUnavailableError && retryAfterSeconds !== null) {
      const limitClass = messageClassOf(this.options, scope);
      const quota = { limit, limitClass, way: confirmation.way, retryAfterSeconds };
      this.#budgetExhausted(quota, error.limitEndsAt ?? 0);
    }
  }

  /** Reports once for each window: an exhausted quota refuses every further request as well. */
  #budgetExhausted(facts: Omit<BudgetExhaustedEvent, 'type' | 'at'>, endsAt: number): void {
    const now = this.options.clock.now();
    const { limit, limitClass, way, retryAfterSeconds } = facts;
    const sender = limit === 'sends-per-sender' ? ` ${way}` : '';
    const quota = `${limit} ${limitClass}${sender}`;
    if ((this.#exhaustedUntil.get(quota) ?? 0) > now) return;
    this.#exhaustedUntil.set(quota, endsAt);
    this.#logger.warn(
      `The messages of the quota ${limit} (${limitClass}) are used up for ${retryAfterSeconds} seconds.`,
    );
    this.events.emit(() => ({ type: 'budget-exhausted', at: new Date(now), ...facts }));
  }

  /** Reports numbers whose codes hardly any recipient confirms. The prefix is no number of a person. */
  tollFraudSuspected(tally: Tally, { counts }: PrefixLedger): void {
    const { limitClass, country, prefix } = tally.area;
    const { sent, confirmed, failed } = counts.countsOf(tally);
    const messages = sent - failed;
    const isRefused = prefix !== null && counts.rule.mode === 'deny';
    const until = new Date(tally.endsAt);
    this.#logger.warn(
      `Of ${messages} messages to numbers of ${prefix === null ? country : `${prefix} (${country})`} (${limitClass}) ${confirmed} were ` +
        `confirmed in this window: this may be toll fraud.${isRefused ? ` Further ones are refused until ${until.toISOString()}.` : ''}`,
    );
    this.events.emit(() => ({
      type: 'toll-fraud-suspected',
      at: new Date(this.options.clock.now()),
      country,
      prefix,
      limitClass,
      messages,
      confirmed,
      isRefused,
      until,
    }));
  }

  /** Publishes a refused attempt, if a limit has refused it. */
  attemptBlocked(
    error: unknown,
    method: MethodName,
    confirmation: ConfirmationOfEvent,
    scope: QuotaScope,
  ): void {
    const refusal = limitOfError(error);
    if (refusal === null) return;
    const facts = (): ConfirmationEventBase => this.#facts(confirmation, scope);
    this.events.emit(() => ({ type: 'attempt-blocked', method, ...refusal, ...facts() }));
  }

  /** @param failure what the wrong code has consumed, if failures are counted. */
  attemptFailed(
    row: ConfirmationRow,
    method: MethodName,
    failure: QuotaReceipt | null,
    guess: string | null,
  ): void {
    const { attempts, maxAttempts } = row;
    const facts = (): ConfirmationEventBase => this.#factsOf(row);
    this.events.emit(() => ({
      type: 'attempt-failed',
      method,
      attempts,
      maxAttempts,
      ...facts(),
    }));
    if (attempts >= maxAttempts) {
      this.events.emit(() => ({ type: 'locked', scope: 'confirmation', until: null, ...facts() }));
    }
    for (const lock of failure ? this.ledger.locksOf(failure) : []) {
      this.events.emit(() => ({ type: 'locked', ...lock, ...facts() }));
    }
    if (guess !== null) this.#watchGuess(row.id, guess);
  }

  confirmed(row: ConfirmationRow, by: ConfirmedEvent['by']): void {
    const { attempts, factorId: factor } = row;
    this.events.emit(() => ({ type: 'confirmed', by, factor, attempts, ...this.#factsOf(row) }));
  }

  /** @param committed is called when the event is emitted: never when the transaction is rolled back. */
  used(
    id: string,
    { purpose, subject }: StoredBinding,
    manager: EntityManager | undefined,
    committed?: () => void,
  ): void {
    const scope = scopeOfContent({ purpose, subject }, null);
    this.#afterCommit(manager, () => {
      committed?.();
      this.events.emit(() => ({ type: 'used', ...this.#facts({ id, way: '' }, scope) }));
    });
  }

  reuseRefused(row: ConfirmationRow): void {
    this.events.emit(() => ({ type: 'reuse-refused', ...this.#factsOf(row) }));
  }

  #watchGuess(id: string, code: string): void {
    if (this.options.limits.sprayDetection === null) return;
    const now = this.options.clock.now();
    const guess = limitKey(this.options.keyRing.current, 'guess', code);
    const confirmations = this.#sprayDetector.record(guess, id, now);
    if (confirmations === null) return;
    this.#logger.warn(`One wrong code was tried on ${confirmations} confirmations.`);
    this.events.emit(() => ({ type: 'spraying-suspected', at: new Date(now), confirmations }));
  }

  #afterCommit(manager: EntityManager | undefined, emit: () => void): void {
    if (this.hasSubscribers) this.afterCommit.run(manager, emit);
  }

  #factsOf(row: ConfirmationRow): ConfirmationEventBase {
    return this.#facts(row, this.scopes.scopeOf(row));
  }

  #facts(
    { id, way }: ConfirmationOfEvent,
    { token, purpose, subject }: QuotaScope,
  ): ConfirmationEventBase {
    return {
      at: new Date(this.options.clock.now()),
      confirmation: id === '' ? '' : shortId(id),
      purpose,
      subject,
      way,
      recipient:
        token === null
          ? null
          : Object.freeze({ masked: maskToken(token), key: this.ledger.tokenKey(token) }),
    };
  }
}
