import { Inject, Injectable, Logger } from '@nestjs/common';

import {
  ConfirmationState,
  ConfirmationStore,
  ConfirmerService,
  EventPublisher,
  idOf,
  parseContext,
  parseToken,
  parseWay,
  scopeOfContent,
  QuotaScopeResolver,
  refreshState,
  pollBriefly,
  STATE_CODES,
  stateRow,
  statusOf,
  type ConfirmationReference,
  type ConfirmationRow,
  type CreatedConfirmation,
  type SendContext,
} from '../confirmation/index.js';
import {
  codeMac,
  openEnvelope,
  sealEnvelope,
  shortId,
  type EnvelopeContent,
} from '../crypto/index.js';
import { databaseTimeoutError, type Deadline } from '../database/index.js';
import {
  TwoFactorConfigurationError,
  TwoFactorInputError,
  TwoFactorNotFoundError,
  TwoFactorRecipientError,
  TwoFactorSendError,
  TwoFactorStateError,
  TwoFactorTooManyRequestsError,
  TwoFactorUnavailableError,
  TwoFactorUnknownSecretError,
} from '../errors/index.js';
import {
  LimitService,
  parseRequester,
  type QuotaReceipt,
  type QuotaKeys,
} from '../limits/index.js';
import type { ResolvedOptions } from '../options/index.js';
import { InjectTwoFactorOptions, SENDER_BACKENDS } from '../two-factor.tokens.js';
import { cooldownMs, resendAt } from './cooldown.js';
import type { ResolvedSender, SenderBackends } from '../sender/sender-registry.js';
import { describeThrown, redact } from './redact.js';

/** How soon a message may be repeated whose first delivery failed. */
const EARLY_RETRY_MS = 5_000;

/** What `send` takes beside the ancestor's four arguments. */
export interface SendOptions {
  /** Who causes the message, as of `TwoFactorService.request`. */
  readonly requester?: string | undefined;
}

/** What a message is to be, before it is charged. */
interface MessagePlan {
  readonly sender: ResolvedSender;
  /** Absent: the token it is bound to. */
  readonly token?: string | undefined;
  /** Absent: the context of the last message. */
  readonly context?: SendContext | undefined;
  /** `first` is sent by one caller ever, `again` waits for the cooldown, `any` is the application's own decision. */
  readonly kind: 'any' | 'first' | 'again';
  readonly requester?: string | undefined;
  /** What was charged for this message already; `null` for nothing. */
  readonly charged: QuotaReceipt | null;
}

/**
 * Delivers codes. A message is charged in one guarded statement before the provider is called, and the provider is never
 * called inside a transaction: at least once, never for free.
 *
 * @publicApi
 */
@Injectable()
export class SenderService {
  readonly #logger = new Logger(SenderService.name);

  /** @internal It is injected. */
  constructor(
    private readonly confirmer: ConfirmerService,
    private readonly store: ConfirmationStore,
    private readonly limits: LimitService,
    private readonly parties: QuotaScopeResolver,
    private readonly teller: EventPublisher,
    @Inject(SENDER_BACKENDS) private readonly backends: SenderBackends,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {}

  /**
   * Sends a confirmation's code by a sender, `null` meaning the default one. The first call binds the confirmation to the
   * token; another sender for the same token is yours to choose, if the token means the same person there. The given
   * state then shows the message that was charged.
   *
   * @returns the state.
   * @throws TwoFactorInputError for an unknown sender and one that the purpose does not allow, a malformed token or context,
   * and a second token.
   * @throws TwoFactorNotFoundError, TwoFactorStateError when there is nothing to confirm any more.
   * @throws TwoFactorTooManyRequestsError when `maxSends` or a budget are spent, or the token is locked.
   * @throws TwoFactorUnavailableError when the messages of the sender, or of all, are used up.
   * @throws TwoFactorRecipientError when the token can never be reached, TwoFactorSendError when it failed for now.
   */
  async send(
    name: string | null,
    token: string,
    confirmation: ConfirmationReference,
    context?: SendContext,
    { requester }: SendOptions = {},
  ): Promise<ConfirmationState> {
    const plan = {
      token: parseToken(token),
      context: parseContext(context),
      requester: parseRequester(requester),
      charged: null,
    };
    if (name !== null) this.sender(name);
    const row = await this.#rowOf(confirmation);
    const sender = this.senderFor(row.purpose, name);
    return this.#deliver(confirmation, row, { ...plan, sender, kind: 'any' });
  }

  /**
   * Sends the first message of a confirmation that knows its token. Of many callers one sends, and the others find it
   * sent: what a repeated request needs.
   *
   * @throws as `send`.
   * @internal
   */
  async sendInitial(
    { state, pendingMessage, receipt }: CreatedConfirmation,
    sender: ResolvedSender,
    requester: string | undefined,
  ): Promise<ConfirmationState> {
    const row = stateRow(state);
    if (pendingMessage === null) {
      return this.#deliver(state, row, { sender, kind: 'first', requester, charged: receipt });
    }
    return this.#callAndReport(state, row, pendingMessage as AddressedContent, sender);
  }

  /**
   * Sends the code again, by the same sender to the same token, once the cooldown is over: the same code, or under
   * `resend: 'rotate'` a new one. Neither life nor attempts are renewed.
   *
   * @param seen the row, if it was read just now. Else it is read anew: a state may have been sent, or have failed to be
   * sent, by others since.
   * @throws as `send`, and TwoFactorTooManyRequestsError while the cooldown lasts.
   */
  async resend(
    confirmation: ConfirmationReference,
    requester?: string,
    seen?: ConfirmationRow,
  ): Promise<ConfirmationState> {
    const row = seen ?? (await this.#find(idOf(confirmation)));
    assertPending(row, this.options.clock.now());
    // The envelope says which way; the column is only shown.
    const { way, token } = this.#open(row);
    if (token === undefined || way === undefined) {
      throw new TwoFactorInputError(
        'The confirmation was never sent, so there is nothing to repeat. Send it first.',
      );
    }
    const sender = this.sender(way);
    return this.#deliver(confirmation, row, { sender, kind: 'again', requester, charged: null });
  }

  /**
   * A sender by its name, `null` meaning the default one.
   *
   * @throws TwoFactorInputError when there is none of that name.
   */
  sender(name: string | null): ResolvedSender {
    const way = name === null ? this.options.defaultSender : parseWay(name);
    const sender = this.backends.get(way);
    if (sender === undefined) throw unknownSender(way, this.backends);
    return sender;
  }

  /**
   * As `sender`, by a way that the purpose allows. Without a name it is the default one if that is allowed, else the first
   * that is.
   *
   * @throws TwoFactorInputError also for one that the purpose does not allow: its code would prove nothing.
   */
  senderFor(purpose: string | undefined, name: string | null): ResolvedSender {
    const allowed = this.options.purposes.get(purpose ?? '')?.senders;
    if (allowed === undefined) return this.sender(name);
    const { defaultSender } = this.options;
    const [first = defaultSender] = allowed;
    const way = parseWay(name ?? (allowed.includes(defaultSender) ? defaultSender : first));
    if (allowed.includes(way)) return this.sender(way);
    const detail = `The purpose "${purpose ?? ''}" is confirmed by one of the ways ${allowed.join(', ')}.`;
    throw new TwoFactorInputError(detail, { detail });
  }

  async #rowOf(confirmation: ConfirmationReference): Promise<ConfirmationRow> {
    if (ConfirmationState.is(confirmation)) return stateRow(confirmation);
    return this.#find(idOf(confirmation));
  }

  async #find(id: string): Promise<ConfirmationRow> {
    const row = await this.store.find(id);
    if (row === null) throw gone();
    return row;
  }

  #open(row: ConfirmationRow): EnvelopeContent {
    const sealed =
      row.envelope === null ? null : openEnvelope(this.options.keyRing, row.envelope, row);
    if (sealed === null || (sealed.way !== undefined && sealed.way !== row.way)) {
      throw new TwoFactorUnknownSecretError(
        'The confirmation was sealed under a secret that is not in the ring, or its row was changed by hand.',
      );
    }
    return sealed;
  }

  async #deliver(
    confirmation: ConfirmationReference,
    seen: ConfirmationRow,
    plan: MessagePlan,
  ): Promise<ConfirmationState> {
    const { row, sealed } = await this.store.within((deadline) =>
      this.#charge(seen, plan, deadline),
    );
    const state = ConfirmationState.is(confirmation) ? confirmation : this.confirmer.stateOf(row);
    refreshState(state, row);
    return sealed === null ? state : this.#callAndReport(state, row, sealed, plan.sender);
  }

  /** To the backend, after it was charged. */
  async #callAndReport(
    state: ConfirmationState,
    row: ConfirmationRow,
    sealed: AddressedContent,
    sender: ResolvedSender,
  ): Promise<ConfirmationState> {
    try {
      await this.#callBackend(sender, sealed, state);
    } catch (error) {
      const isPermanent = isRecipientError(error);
      this.teller.sendFailed(row, isPermanent);
      // Nobody can ever confirm it, if this was its only message: the next one may be for a better address.
      if (isPermanent && row.sends === 1) await this.confirmer.releasePendingSlot(row);
      throw await this.#failure(error, sender, sealed, state);
    }
    this.teller.sent(row);
    return state;
  }

  /**
   * Binds and charges in one guarded statement; when another message was faster, judges anew on what it left. `sealed` is
   * null for a first message that was sent before.
   */
  async #charge(
    seen: ConfirmationRow,
    plan: MessagePlan,
    deadline: Deadline,
  ): Promise<{ row: ConfirmationRow; sealed: AddressedContent | null }> {
    let row = seen;
    let { charged } = plan;
    // Each lost round means that somebody else's message was charged, and there are at most maxSends of them.
    for (let round = 0; round <= this.options.maxSends + 1; round += 1) {
      let sealed: AddressedContent;
      try {
        if (plan.kind === 'first' && row.sends > 0) {
          if (charged) await this.limits.refundMessage(charged);
          return { row, sealed: null };
        }
        const now = this.options.clock.now();
        assertPending(row, now);
        sealed = await this.#content(row, plan);
        this.#assertMayBeSent(row, now, plan);
      } catch (error) {
        if (charged) await this.limits.refundMessage(charged);
        this.teller.sendBlocked(error, row, this.parties.scopeOf(row));
        throw error;
      }
      if (charged === null) {
        const costs = await this.#chargeBudgets(row, sealed, plan);
        if ('sentBy' in costs) return { row: costs.sentBy, sealed: null };
        charged = costs;
      }
      if (deadline.expired) {
        await this.limits.refundMessage(charged);
        throw databaseTimeoutError();
      }
      const bound = await this.store.bind(row, {
        way: plan.sender.name,
        envelope: sealEnvelope(this.options.keyRing, sealed, row),
        codeMac: codeMac(this.options.keyRing.current, row.id, sealed.code),
        ...this.#countedUnder(row, sealed),
        maxSends: this.options.maxSends,
        cooldownMs: plan.kind === 'again' ? cooldownMs(row.sends, this.options) : 0,
      });
      if (bound !== null) return { row: bound, sealed };
      const left = await this.store.find(row.id);
      if (left === null) {
        await this.limits.refundMessage(charged);
        throw gone();
      }
      row = left;
    }
    if (charged) await this.limits.refundMessage(charged);
    throw new TwoFactorUnavailableError('Others kept sending this confirmation. Try again.');
  }

  /** What this message costs beside its place among the messages of its confirmation. */
  async #chargeBudgets(
    row: ConfirmationRow,
    content: AddressedContent,
    { requester, kind }: MessagePlan,
  ): Promise<QuotaReceipt | { readonly sentBy: ConfirmationRow }> {
    const party = scopeOfContent(row, content);
    const { way } = content;
    try {
      return await this.limits.consumeForRequest({ ...party, sends: { way, requester } });
    } catch (error) {
      const sentBy = kind === 'first' ? await pollBriefly(() => this.#findSent(row.id)) : null;
      if (sentBy !== null) return { sentBy };
      this.teller.sendBlocked(error, { id: row.id, way }, party);
      throw error;
    }
  }

  /** Its token may be known only now. */
  #countedUnder(row: ConfirmationRow, content: AddressedContent): FailureKeys {
    const { failureKeys } = this.limits.quotaKeys(
      this.limits.failuresOf(scopeOfContent(row, content)),
    );
    return { failureKeys };
  }

  async #findSent(id: string): Promise<ConfirmationRow | null> {
    const row = await this.store.find(id);
    return row !== null && row.sends > 0 ? row : null;
  }

  async #content(row: ConfirmationRow, plan: MessagePlan): Promise<AddressedContent> {
    const sealed = this.#open(row);
    const token = plan.token ?? sealed.token;
    if (token === undefined || (sealed.token !== undefined && sealed.token !== token)) {
      throw new TwoFactorInputError(
        'The confirmation is bound to another token. Make a new confirmation for each token.',
      );
    }
    const rotates = plan.kind === 'again' && this.options.resend === 'rotate' && row.sends > 0;
    const code = rotates ? await this.confirmer.drawCode() : sealed.code;
    return {
      code,
      token,
      way: plan.sender.name,
      context: plan.context ?? (sealed.context as SendContext | undefined),
      tokenFrom: sealed.tokenFrom,
      hasSlot: sealed.hasSlot,
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

  async #callBackend(
    sender: ResolvedSender,
    sealed: AddressedContent,
    state: ConfirmationState,
  ): Promise<void> {
    const { name, options, verboseName } = sender;
    const { token, code, context = {} } = sealed;
    const abort = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const error = new Error(`no answer within ${this.options.sendTimeoutMs} ms`);
        // Rejects first, so that the time-out is what is told, not what the backend makes of the abort.
        reject(error);
        abort.abort(error);
      }, this.options.sendTimeoutMs);
    });
    const delivery = {
      token,
      code,
      state,
      name,
      options,
      verboseName,
      expiresInSeconds: Math.floor((state.expiresAt.getTime() - this.options.clock.now()) / 1_000),
      context,
      signal: abort.signal,
    };
    try {
      await Promise.race([Promise.resolve().then(() => sender.send(delivery)), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** The error that leaves this package for one of a backend, without the code and the token it may carry. */
  async #failure(
    error: unknown,
    sender: ResolvedSender,
    sealed: AddressedContent,
    state: ConfirmationState,
  ): Promise<Error> {
    const said = redact(describeThrown(error), sealed.code, sealed.token);
    this.#logger.warn(
      `Sender ${sender.name} did not deliver confirmation ${shortId(state.id)}: ${said}`,
    );
    if (isRecipientError(error)) return new TwoFactorRecipientError(said);
    // What is set up wrong stays wrong: it is not worth repeating.
    if (isOf(TwoFactorConfigurationError, error)) return new TwoFactorConfigurationError(said);
    const again = await this.#retryAt(state);
    return new TwoFactorSendError(
      `Sender ${sender.name} did not deliver the code. It can be resent.`,
      state.id,
      again,
      {
        cause: new Error(said),
      },
    );
  }

  /** The first failure may be repeated soon; a provider that keeps failing gets the normal pauses. */
  async #retryAt(state: ConfirmationState): Promise<Date> {
    const row = stateRow(state);
    const now = this.options.clock.now();
    const pause = cooldownMs(row.sends, this.options);
    if (row.sends > 1 || pause <= EARLY_RETRY_MS) return new Date(resendAt(row, now, this.options));
    try {
      const lastSentAt = now + EARLY_RETRY_MS - pause;
      await this.store.retrySooner(row, lastSentAt);
      refreshState(state, { ...row, lastSentAt });
      return new Date(now + EARLY_RETRY_MS);
    } catch {
      // The database failed right after the provider did: the normal pause holds.
      return new Date(resendAt(row, now, this.options));
    }
  }
}

type FailureKeys = Pick<QuotaKeys, 'failureKeys'>;

function unknownSender(way: string, backends: SenderBackends): TwoFactorInputError {
  const names = [...backends.keys()].join(', ') || '(none found)';
  return new TwoFactorInputError(`There is no sender "${way}": name one of ${names}.`);
}

function gone(): TwoFactorNotFoundError {
  return new TwoFactorNotFoundError('There is no such confirmation.');
}

function isRecipientError(thrown: unknown): boolean {
  return isOf(TwoFactorRecipientError, thrown);
}

function isOf(type: new (...args: never[]) => Error, thrown: unknown): boolean {
  try {
    return thrown instanceof type;
  } catch {
    // A proxy may refuse even that question.
    return false;
  }
}

/** An envelope's content that has a place to go to. */
interface AddressedContent extends EnvelopeContent {
  readonly token: string;
  readonly way: string;
  readonly context?: SendContext | undefined;
}

function assertPending(row: ConfirmationRow, now: number): void {
  const status = statusOf(row, now);
  if (status !== 'pending') throw new TwoFactorStateError(STATE_CODES[status]);
}
