import { Injectable } from '@nestjs/common';

import {
  allowsMethod,
  CODE_METHOD,
  ConfirmationStore,
  ConfirmerService,
  EventPublisher,
  pollBriefly,
  QuotaScopeResolver,
  scopeOfContent,
  STATE_ERROR_CODES,
  statusOf,
  TestRecipients,
  type ConfirmationRow,
  type QueuedMessage,
  type SendContext,
} from '../confirmation/index.js';
import { codeMac, openEnvelope, sealEnvelope, type EnvelopeContent } from '../crypto/index.js';
import { databaseTimeoutError, type Deadline } from '../database/index.js';
import {
  TwoFactorInputError,
  TwoFactorNotFoundError,
  TwoFactorStateError,
  TwoFactorTooManyRequestsError,
  TwoFactorUnavailableError,
  TwoFactorUnknownSecretError,
} from '../errors/index.js';
import { messageClassOf, QuotaLedger, type QuotaKeys, type QuotaReceipt } from '../limits/index.js';
import type { ResolvedOptions } from '../options/index.js';
import type { ResolvedSender } from '../sender/index.js';
import { InjectTwoFactorOptions } from '../two-factor.tokens.js';
import { cooldownMs, resendAt } from './cooldown.js';
import type { AddressedContent } from './message.js';

/** A message that is to be recorded: counted in the row of its confirmation and in the quotas, before it is delivered. */
export interface MessagePlan {
  readonly sender: ResolvedSender;
  /** The phone number or address; absent for the one that the confirmation is bound to. */
  readonly token?: string | undefined;
  /** The data for the sender; absent for those of the last message. */
  readonly context?: SendContext | undefined;
  /**
   * `first`: of concurrent callers one records it, and the others find it recorded. `again`: waits for the cooldown. `any`:
   * the application decides when it sends.
   */
  readonly kind: 'any' | 'first' | 'again';
  readonly requester?: string | undefined;
  /** With `again`: the digest of the caller's idempotency key. Of all calls with one key one records a message. */
  readonly key?: string | undefined;
  /** The quotas that were consumed for this message before; `null` for none. */
  readonly consumed: QuotaReceipt | null;
  /** The message's row in the queue; `null` for a message that is sent immediately. */
  readonly queued: QueuedMessage | null;
}

/** A confirmation whose message was recorded: counted in the row and in the quotas, before any backend is called. */
export interface RecordedRow {
  readonly row: ConfirmationRow;
  /** What to deliver; `null` for a message that another call of the same request has recorded. */
  readonly content: AddressedContent | null;
}

type FailureKeys = Pick<QuotaKeys, 'failureKeys'>;

/** What a confirmation has sealed; no code for one that was begun by another method, until its first message. */
type SealedContent = Omit<EnvelopeContent, 'code'> & Partial<Pick<EnvelopeContent, 'code'>>;

const NOTHING_SEALED: SealedContent = Object.freeze({});

/**
 * Records a message before it is delivered: binds the confirmation to its phone number or address and its sender, consumes the
 * quotas, and counts the message in one guarded statement. A crash between the recording and the delivery therefore costs a
 * message and never sends one for free.
 */
@Injectable()
export class DeliveryRecorder {
  constructor(
    private readonly confirmer: ConfirmerService,
    private readonly store: ConfirmationStore,
    private readonly ledger: QuotaLedger,
    private readonly scopes: QuotaScopeResolver,
    private readonly publisher: EventPublisher,
    private readonly testRecipients: TestRecipients,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {}

  /** @throws TwoFactorNotFoundError for an unknown confirmation. */
  async find(id: string): Promise<ConfirmationRow> {
    const row = await this.store.find(id);
    if (row === null) throw notFound();
    return row;
  }

  /**
   * The code, the phone number or address and the sender of a confirmation that is pending, or whose message this key has caused.
   *
   * @throws TwoFactorStateError when it is neither, TwoFactorUnknownSecretError when its envelope cannot be opened.
   */
  contentOf(row: ConfirmationRow, key: string | undefined): SealedContent {
    if (key === undefined) assertPending(row, this.options.clock.now());
    const content = this.#openEnvelope(row);
    if (!isSentBy(content, key)) assertPending(row, this.options.clock.now());
    return content;
  }

  /** @throws TwoFactorUnavailableError when the recording takes longer than `databaseTimeoutMs`, and as `SenderService.send`. */
  async record(seen: ConfirmationRow, plan: MessagePlan): Promise<RecordedRow> {
    return this.store.withDeadline((deadline) => this.#record(seen, plan, deadline));
  }

  /** Repeats the guarded statement on the newer row when another message was recorded first. */
  async #record(
    seen: ConfirmationRow,
    plan: MessagePlan,
    deadline: Deadline,
  ): Promise<RecordedRow> {
    let row = seen;
    let { consumed } = plan;
    // Each lost round means that another call recorded a message, and there are at most `maxSends` of them.
    for (let round = 0; round <= this.options.maxSends + 1; round += 1) {
      let content: AddressedContent;
      try {
        if (this.#isRecorded(row, plan)) {
          if (consumed) await this.ledger.refundMessage(consumed);
          return { row, content: null };
        }
        const now = this.options.clock.now();
        assertPending(row, now);
        content = await this.#contentFor(row, plan);
        // Before anything is counted. Nothing is sent to a test recipient.
        if (content.isTest !== true) {
          this.ledger.destinations.assertAllowed(content.way, content.token);
        }
        this.#assertMayBeSent(row, now, plan);
      } catch (error) {
        if (consumed) await this.ledger.refundMessage(consumed);
        this.publisher.sendBlocked(error, row, this.scopes.scopeOf(row));
        throw error;
      }
      if (consumed === null) {
        const quotas = await this.#consumeQuotas(row, content, plan, deadline);
        if ('recorded' in quotas) return { row: quotas.recorded, content: null };
        consumed = quotas;
      }
      if (deadline.expired) {
        await this.ledger.refundMessage(consumed);
        throw databaseTimeoutError();
      }
      const bound = await this.store.recordMessage(
        row,
        {
          way: plan.sender.name,
          envelope: sealEnvelope(this.options.keyRing, content, row),
          codeMac: codeMac(this.options.keyRing.current, row.id, content.code),
          ...this.#failureKeys(row, content),
          maxSends: this.options.maxSends,
          cooldownMs: plan.kind === 'again' ? cooldownMs(row.sends, this.options) : 0,
        },
        deadline,
        this.#queueRowFor(plan, row, content),
      );
      if (bound !== null) return { row: bound, content };
      const current = await this.store.find(row.id, deadline);
      if (current === null) {
        await this.ledger.refundMessage(consumed);
        throw notFound();
      }
      row = current;
    }
    if (consumed) await this.ledger.refundMessage(consumed);
    throw new TwoFactorUnavailableError('Others kept sending this confirmation. Try again.');
  }

  /** The quotas across confirmations; the messages of this confirmation are counted by its own row. */
  async #consumeQuotas(
    row: ConfirmationRow,
    content: AddressedContent,
    plan: MessagePlan,
    deadline: Deadline,
  ): Promise<QuotaReceipt | { readonly recorded: ConfirmationRow }> {
    const scope = scopeOfContent(row, content);
    const { way } = content;
    const { requester, kind, key } = plan;
    try {
      return await this.ledger.consumeForRequest({ ...scope, sends: { way, requester } }, deadline);
    } catch (error) {
      // The last unit may have gone to a concurrent call of the same message, which has not recorded it yet.
      const mayBeRecorded = kind === 'first' || key !== undefined;
      const recorded = mayBeRecorded
        ? await pollBriefly(() => this.#findRecorded(row.id, plan))
        : null;
      if (recorded !== null) return { recorded };
      this.publisher.sendBlocked(error, { id: row.id, way }, scope);
      throw error;
    }
  }

  /** Written with each message, because a confirmation may have been made without a phone number or address. */
  #failureKeys(row: ConfirmationRow, content: AddressedContent): FailureKeys {
    const { failureKeys } = this.ledger.quotaKeys(
      this.ledger.failureQuotasOf(scopeOfContent(row, content)),
    );
    return { failureKeys };
  }

  async #findRecorded(id: string, plan: MessagePlan): Promise<ConfirmationRow | null> {
    const row = await this.store.find(id);
    return row !== null && this.#isRecorded(row, plan) ? row : null;
  }

  /** Whether another call of the same request has recorded the message. */
  #isRecorded(row: ConfirmationRow, { kind, key }: MessagePlan): boolean {
    if (kind === 'first') return row.sends > 0;
    return key !== undefined && isSentBy(this.#openEnvelope(row), key);
  }

  #openEnvelope(row: ConfirmationRow): SealedContent {
    if (row.envelope === null && row.codeMac === null) return NOTHING_SEALED;
    const content =
      row.envelope === null ? null : openEnvelope(this.options.keyRing, row.envelope, row);
    if (content === null || (content.way !== undefined && content.way !== row.way)) {
      throw new TwoFactorUnknownSecretError(
        'The confirmation was sealed under a secret that is not in the ring, or its row was changed by hand.',
      );
    }
    return content;
  }

  async #contentFor(row: ConfirmationRow, plan: MessagePlan): Promise<AddressedContent> {
    const sealed = this.#openEnvelope(row);
    const token = plan.token ?? sealed.token;
    if (token === undefined || (sealed.token !== undefined && sealed.token !== token)) {
      throw new TwoFactorInputError(
        'The confirmation is bound to another token. Make a new confirmation for each token.',
      );
    }
    const rotates = plan.kind === 'again' && this.options.resend === 'rotate' && row.sends > 0;
    const fixed = this.testRecipients.codeOf(token, row.purpose);
    // The code of a recipient that is a test recipient no longer is known to others, and is never sent.
    const isNew = rotates || sealed.isTest === true;
    const kept = isNew ? undefined : sealed.code;
    const code = fixed ?? kept ?? (await this.confirmer.drawCode());
    return {
      code,
      token,
      way: plan.sender.name,
      context: plan.context ?? (sealed.context as SendContext | undefined),
      tokenFrom: sealed.tokenFrom,
      hasSlot: sealed.hasSlot,
      requester: plan.queued === null ? undefined : plan.requester,
      isTest: fixed === null ? undefined : true,
      resendKeys:
        plan.key === undefined ? sealed.resendKeys : [...(sealed.resendKeys ?? []), plan.key],
    };
  }

  #assertMayBeSent(row: ConfirmationRow, now: number, plan: MessagePlan): void {
    if (row.sends >= this.options.maxSends) {
      throw new TwoFactorTooManyRequestsError(
        'This confirmation has been sent as often as it may. Request a new one.',
        null,
        'max-sends',
      );
    }
    const waitMs = plan.kind === 'again' ? resendAt(row, now, this.options) - now : 0;
    if (waitMs > 0) {
      const seconds = Math.ceil(waitMs / 1_000);
      throw new TwoFactorTooManyRequestsError(
        `The code can be sent again in ${seconds} seconds.`,
        seconds,
        'cooldown',
      );
    }
  }

  /** The row in the queue, under the class that the sealed content decides: the caller of `send` does not know who named the token. */
  #queueRowFor(
    { queued }: MessagePlan,
    row: ConfirmationRow,
    content: AddressedContent,
  ): QueuedMessage | null {
    const limitClass = messageClassOf(this.options, scopeOfContent(row, content));
    return queued && { ...queued, isBound: limitClass === 'bound' ? 1 : 0 };
  }
}

function isSentBy({ resendKeys }: SealedContent, key: string | undefined): boolean {
  return key !== undefined && resendKeys?.includes(key) === true;
}

function notFound(): TwoFactorNotFoundError {
  return new TwoFactorNotFoundError('There is no such confirmation.');
}

/** @throws TwoFactorStateError for a confirmation that has ended, and for one that only other methods confirm: it has no code. */
function assertPending(row: ConfirmationRow, now: number): void {
  const status = statusOf(row, now);
  if (status !== 'pending') throw new TwoFactorStateError(STATE_ERROR_CODES[status]);
  if (!allowsMethod(row, CODE_METHOD)) throw new TwoFactorStateError('method-not-allowed');
}
