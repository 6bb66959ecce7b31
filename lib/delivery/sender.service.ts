import { Inject, Injectable } from '@nestjs/common';

import {
  ConfirmationState,
  ConfirmerService,
  idOf,
  parseContext,
  parseToken,
  parseWay,
  refreshState,
  stateRow,
  type ConfirmationReference,
  type ConfirmationRow,
  type CreatedConfirmation,
  type SendContext,
} from '../confirmation/index.js';
import { TwoFactorInputError } from '../errors/index.js';
import { parseRequester } from '../limits/index.js';
import type { ResolvedOptions } from '../options/index.js';
import type { ResolvedSender, SenderBackends } from '../sender/index.js';
import { InjectTwoFactorOptions, SENDER_BACKENDS } from '../two-factor.tokens.js';
import { DELIVERY_QUEUE, type DeliveryQueue } from './delivery-queue.js';
import { DeliveryRecorder, type MessagePlan } from './delivery-recorder.js';
import type { AddressedContent, RecordedMessage } from './message.js';

/** The options of `SenderService.send`. */
export interface SendOptions {
  /** The party that causes the message, as for `TwoFactorService.request`. */
  readonly requester?: string | undefined;
}

/**
 * Sends codes. Each message is counted before the provider is called, and the provider is never called inside of a
 * transaction. A code may therefore arrive twice after a lost answer, and no message is sent without being counted.
 *
 * @publicApi
 */
@Injectable()
export class SenderService {
  /** @internal It is injected. */
  constructor(
    private readonly confirmer: ConfirmerService,
    private readonly recorder: DeliveryRecorder,
    @Inject(DELIVERY_QUEUE) private readonly queue: DeliveryQueue,
    @Inject(SENDER_BACKENDS) private readonly backends: SenderBackends,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {}

  /**
   * Sends the code of a confirmation.
   *
   * The first call binds the confirmation to the token. A later call may name another sender for the same token; make sure
   * that the token belongs to the same person there.
   *
   * @param name The sender's name; `null` for the default sender, or for the first sender that the purpose allows.
   * @param token The address, number or chat id that receives the code, 1 to 320 characters.
   * @param confirmation Its id or its state.
   * @param context Data for the sender, such as a locale. Absent: the context of the last message.
   * @returns the state after this message; a state that was given is refreshed and returned.
   * @throws TwoFactorInputError for an unknown sender, one that the purpose does not allow, a malformed token or context,
   * and a second token.
   * @throws TwoFactorNotFoundError for an unknown confirmation, TwoFactorStateError for one that is not pending.
   * @throws TwoFactorTooManyRequestsError when `maxSends` or a quota is used up, or the token is locked.
   * @throws TwoFactorUnavailableError when the messages of the sender, or of all senders, are used up.
   * @throws TwoFactorRecipientError when the token can never be reached, TwoFactorSendError when the delivery failed this
   * time.
   * @example
   * ```ts
   * const state = await confirmer.makeConfirmation({ purpose: 'login', subject: user.id });
   * await sender.send('sms', user.phone, state, { locale: 'en' });
   * ```
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
      consumed: null,
    };
    if (name !== null) this.sender(name);
    const row = ConfirmationState.is(confirmation)
      ? stateRow(confirmation)
      : await this.recorder.find(idOf(confirmation));
    const sender = this.senderFor(row.purpose, name);
    return this.#send(confirmation, row, { ...plan, sender, kind: 'any' });
  }

  /**
   * Sends the first message of a confirmation that has its token. Of several concurrent calls one sends it, and the others
   * return the state with that message: a repeated request with the same idempotency key needs this.
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
      return this.#send(state, row, { sender, kind: 'first', requester, consumed: receipt });
    }
    // The statement that created the confirmation has recorded the message.
    return this.#deliver({ state, row, content: pendingMessage as AddressedContent, sender });
  }

  /**
   * Sends the code again after the cooldown, by the same sender to the same token: the same code, or a new one with the
   * option `resend: 'rotate'`. The expiry and the number of attempts stay.
   *
   * @param seen The row, for a caller inside of this package that has just read it. Otherwise the row is read again, because
   * a given state may be older than the last message.
   * @throws TwoFactorTooManyRequestsError also while the cooldown lasts, and as `send`.
   */
  async resend(
    confirmation: ConfirmationReference,
    requester?: string,
    seen?: ConfirmationRow,
  ): Promise<ConfirmationState> {
    const row = seen ?? (await this.recorder.find(idOf(confirmation)));
    // The way of the envelope is authenticated; the column can be changed in the database.
    const { way, token } = this.recorder.contentOf(row);
    if (token === undefined || way === undefined) {
      throw new TwoFactorInputError(
        'The confirmation was never sent, so there is nothing to repeat. Send it first.',
      );
    }
    const sender = this.sender(way);
    return this.#send(confirmation, row, { sender, kind: 'again', requester, consumed: null });
  }

  /**
   * The sender of that name; `null` for the default sender.
   *
   * @throws TwoFactorInputError for an unknown sender.
   */
  sender(name: string | null): ResolvedSender {
    const way = name === null ? this.options.defaultSender : parseWay(name);
    const sender = this.backends.get(way);
    if (sender === undefined) throw unknownSender(way, this.backends);
    return sender;
  }

  /**
   * The sender of that name for a purpose. `null`: the default sender if the purpose allows it, otherwise the first sender
   * that the purpose allows.
   *
   * @throws TwoFactorInputError for an unknown sender, and for one that the purpose does not allow.
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

  async #send(
    confirmation: ConfirmationReference,
    seen: ConfirmationRow,
    plan: MessagePlan,
  ): Promise<ConfirmationState> {
    const { row, content } = await this.recorder.record(seen, plan);
    const state = ConfirmationState.is(confirmation) ? confirmation : this.confirmer.stateOf(row);
    refreshState(state, row);
    if (content === null) return state;
    return this.#deliver({ state, row, content, sender: plan.sender });
  }

  async #deliver(message: RecordedMessage): Promise<ConfirmationState> {
    const { error } = await this.queue.enqueue(message);
    if (error !== null) throw error;
    return message.state;
  }
}

function unknownSender(way: string, backends: SenderBackends): TwoFactorInputError {
  const names = [...backends.keys()].join(', ') || '(none found)';
  return new TwoFactorInputError(`There is no sender "${way}": name one of ${names}.`);
}
