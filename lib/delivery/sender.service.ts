import { Inject, Injectable, Logger } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import {
  ConfirmationState,
  ConfirmerService,
  idOf,
  parseContext,
  parseIdempotencyKey,
  parseToken,
  parseWay,
  refreshState,
  stateRow,
  type ConfirmationReference,
  type ConfirmationRow,
  type CreatedConfirmation,
  type InitialMessage,
  type QueuedMessage,
  type SendContext,
} from '../confirmation/index.js';
import { shortDigest, shortId } from '../crypto/index.js';
import {
  expectInput,
  inputMembers,
  TwoFactorInputError,
  TwoFactorStateError,
} from '../errors/index.js';
import { messageClassOf, parseRequester } from '../limits/index.js';
import type { LimitClass, ResolvedOptions } from '../options/index.js';
import type { ResolvedSender, SenderBackends } from '../sender/index.js';
import { InjectTwoFactorOptions, SENDER_BACKENDS } from '../two-factor.tokens.js';
import { DELIVERY_QUEUE, type DeliveryQueue } from './delivery-queue.js';
import { cooldownMs } from './cooldown.js';
import { DeliveryRecorder, type MessagePlan } from './delivery-recorder.js';
import type { AddressedContent, RecordedMessage } from './message.js';

/** The options of `SenderService.send`. */
export interface SendOptions {
  /** The party that causes the message, as for `TwoFactorService.request`. */
  readonly requester?: string | undefined;
}

/** What `SenderService.resendOrSendFirst` repeats, or sends for the first time. */
interface ResendInput {
  readonly requester?: string | undefined;
  readonly idempotencyKey?: string | undefined;
  /** The recipient and the sender of the first message. */
  readonly first?: {
    readonly token?: string | undefined;
    readonly way?: string | undefined;
    readonly context?: SendContext | undefined;
  };
  /** The row, if the caller has just read it. */
  readonly seen?: ConfirmationRow | undefined;
}

const SEND_MEMBERS = inputMembers<SendOptions>({ requester: true });

/**
 * Sends codes. Each message is counted before the provider is called, and the provider is never called inside of a
 * transaction. A code may therefore arrive twice after a lost answer, and no message is sent without being counted.
 *
 * @publicApi
 */
@Injectable()
export class SenderService {
  readonly #logger = new Logger(SenderService.name);

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
   * The first call binds the confirmation to the phone number or address (`token`). A later call may name another sender for the
   * same one; make sure that it belongs to the same person there.
   *
   * @param name The sender's name; `null` for the default sender, or for the first sender that the purpose allows.
   * @param token The address, number or chat id that receives the code, 1 to 320 characters.
   * @param confirmation Its id or its state.
   * @param context Data for the sender, such as a locale. Absent: the context of the last message.
   * @returns the state after this message; a state that was given is refreshed and returned.
   * @throws TwoFactorInputError for an unknown sender, one that the purpose does not allow, a malformed token or context,
   * and a second phone number or address.
   * @throws TwoFactorNotFoundError for an unknown confirmation, TwoFactorStateError for one that is not pending.
   * @throws TwoFactorTooManyRequestsError when `maxSends` or a quota is used up, or the phone number or address is locked.
   * @throws TwoFactorUnavailableError when the messages of the sender, or of all senders, are used up.
   * @throws TwoFactorRecipientError when the phone number or address can never be reached, TwoFactorSendError when the delivery
   * failed this time.
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
    options: SendOptions = {},
  ): Promise<ConfirmationState> {
    expectInput('send', options, SEND_MEMBERS);
    const plan = {
      token: parseToken(token),
      context: parseContext(context),
      requester: parseRequester(options.requester),
      consumed: null,
    };
    if (name !== null) this.sender(name);
    const row = ConfirmationState.is(confirmation)
      ? stateRow(confirmation)
      : await this.recorder.find(idOf(confirmation));
    const sender = this.senderFor(row.purpose, name);
    const queued = this.queue.admit(sender.name, messageClassOf(this.options, row));
    return this.#send(confirmation, row, { ...plan, sender, queued, kind: 'any' });
  }

  /**
   * Sends the first message of a confirmation whose phone number or address is known. Of several concurrent calls one sends it,
   * and the others return the state with that message: a repeated request with the same idempotency key needs this. The request
   * that it repeats may have begun by another method: then this call names the recipient and the data for the sender.
   *
   * @throws as `send`.
   * @internal
   */
  async sendInitial(
    { state, pendingMessage, receipt }: CreatedConfirmation,
    sender: ResolvedSender,
    { requester, queued, token, context }: InitialMessage & Pick<MessagePlan, 'token' | 'context'>,
    manager?: EntityManager,
  ): Promise<ConfirmationState> {
    const row = stateRow(state);
    if (pendingMessage === null) {
      // The confirmation that an earlier request has made is not changed in the transaction of this one.
      if (manager !== undefined) return state;
      const plan = { sender, kind: 'first', requester, consumed: receipt, queued } as const;
      const recipient = row.envelope === null ? { token, context } : {};
      return this.#send(state, row, { ...plan, ...recipient });
    }
    // The content has a recipient and a sender, because the statement that inserted the confirmation has recorded its first message.
    const content = pendingMessage as AddressedContent;
    return this.#deliver({ state, row, content, sender, queued }, manager);
  }

  /**
   * The row in the queue of a message that is to be sent; `null` when messages are sent at once.
   *
   * @throws TwoFactorInputError for a manager, when messages are sent at once.
   * @internal
   */
  admit(way: string, limitClass: LimitClass, manager?: EntityManager): QueuedMessage | null {
    return this.queue.admit(way, limitClass, manager);
  }

  /**
   * Sends the code again after the cooldown, by the same sender to the same phone number or address: the same code, or a new one
   * with the option `resend: 'rotate'`. The expiry and the number of attempts stay.
   *
   * @param requester The party that causes the message, as for `send`.
   * @param idempotencyKey Of several calls with one key and one confirmation, one sends.
   * @throws TwoFactorTooManyRequestsError also while the cooldown lasts, and as `send`.
   */
  async resend(
    confirmation: ConfirmationReference,
    requester?: string,
    idempotencyKey?: string,
  ): Promise<ConfirmationState> {
    return this.resendOrSendFirst(confirmation, { requester, idempotencyKey });
  }

  /**
   * As `resend`, or the first message of a confirmation that was begun by another method, and so has no phone number or address yet.
   *
   * @internal
   */
  async resendOrSendFirst(
    confirmation: ConfirmationReference,
    { requester, idempotencyKey, first, seen }: ResendInput,
  ): Promise<ConfirmationState> {
    const key =
      idempotencyKey === undefined ? undefined : shortDigest(parseIdempotencyKey(idempotencyKey));
    const plan = { requester: parseRequester(requester), key };
    const asked = {
      token: first?.token === undefined ? undefined : parseToken(first.token),
      way: first?.way === undefined ? undefined : parseWay(first.way),
      context: parseContext(first?.context),
    };
    // Read again, because a given state may be older than the last message.
    const row = seen ?? (await this.recorder.find(idOf(confirmation)));
    // The sender (`way`) is read from the envelope, which is authenticated; the column could have been changed in the database.
    const { way, token, tokenFrom } = this.recorder.contentOf(row, key);
    const { purpose, subject } = row;
    const limitClass = messageClassOf(this.options, { purpose, subject, tokenFrom });
    const isUnsent = token === undefined || way === undefined;
    if (isUnsent && asked.token === undefined) {
      throw new TwoFactorInputError(
        'The confirmation was never sent, so there is nothing to repeat. Send it first.',
      );
    }
    if (isUnsent) {
      const sender = this.senderFor(row.purpose, asked.way ?? null);
      const { token: given, context } = asked;
      const message = { token: given, context, sender, kind: 'first', consumed: null } as const;
      return this.#send(confirmation, row, {
        ...plan,
        ...message,
        queued: this.queue.admit(sender.name, limitClass),
      });
    }
    assertSame('token', asked.token, token);
    assertSame('sender', asked.way, way);
    const sender = this.#senderOf(row.id, way);
    const queued = this.queue.admit(sender.name, limitClass);
    const nextTry = queued === null ? null : await this.queue.nextTryOf(row);
    if (nextTry !== null) return this.#stateWhileQueued(confirmation, row, nextTry);
    const message = { sender, kind: 'again', consumed: null, queued } as const;
    return this.#send(confirmation, row, { ...plan, ...message });
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

  /** The sender that has sent a confirmation before. It may be gone, or have another name, since a deployment. */
  #senderOf(id: string, way: string): ResolvedSender {
    const sender = this.backends.get(way);
    if (sender !== undefined) return sender;
    this.#logger.warn(
      `The confirmation ${shortId(id)} was sent by "${way}", and this instance has no sender of that name: it was removed ` +
        'or renamed. Keep the old name in senders until its confirmations have ended.',
    );
    throw new TwoFactorStateError('sender-removed');
  }

  /** The state of a message that is still in the queue: nothing is written or counted, and it can be resent after its next try. */
  #stateWhileQueued(
    confirmation: ConfirmationReference,
    row: ConfirmationRow,
    nextTry: number,
  ): ConfirmationState {
    const shown = { ...row, lastSentAt: nextTry - cooldownMs(row.sends, this.options) };
    const state = ConfirmationState.is(confirmation) ? confirmation : this.confirmer.stateOf(shown);
    refreshState(state, shown);
    return state;
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
    const { sender, queued } = plan;
    return this.#deliver({ state, row, content, sender, queued });
  }

  async #deliver(message: RecordedMessage, manager?: EntityManager): Promise<ConfirmationState> {
    const { error } = await this.queue.enqueue(message, manager);
    if (error !== null) throw error;
    return message.state;
  }
}

function unknownSender(way: string, backends: SenderBackends): TwoFactorInputError {
  const names = [...backends.keys()].join(', ') || '(none found)';
  return new TwoFactorInputError(`There is no sender "${way}": name one of ${names}.`);
}

/** @throws TwoFactorInputError when a call names another one than the first message had. */
function assertSame(what: string, asked: string | undefined, bound: string): void {
  if (asked === undefined || asked === bound) return;
  const detail = `The code went by another ${what} before. Request a new confirmation for this one.`;
  throw new TwoFactorInputError(detail, { detail });
}
