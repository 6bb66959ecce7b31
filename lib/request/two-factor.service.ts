import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import {
  assertSubjectMethods,
  CODE_ALONE,
  CODE_METHOD,
  ConfirmationCreator,
  maskToken,
  parseContext,
  parseMethods,
  parseSubject,
  parseToken,
  parseTokenFrom,
  openContent,
  stateRow,
  type ConfirmationReference,
  type ConfirmationRow,
  type ConfirmationState,
  type MakeConfirmationInput,
  type SendContext,
} from '../confirmation/index.js';
import {
  expectInput,
  inputMembers,
  TwoFactorKeyReusedError,
  TwoFactorTooManyRequestsError,
  type MethodName,
} from '../errors/index.js';
import { messageClassOf, parseRequester } from '../limits/index.js';
import type { ResolvedOptions } from '../options/index.js';
import { resendAt, SenderService } from '../delivery/index.js';
import { InjectTwoFactorOptions } from '../two-factor.tokens.js';
import { MethodChooser, type MethodChoice } from './method-chooser.js';

/** The input of `TwoFactorService.request`. */
export interface TwoFactorRequestInput extends Omit<
  MakeConfirmationInput,
  'manager' | 'isConfirmed' | 'token'
> {
  /** The address, number or chat id that receives the code, 1 to 320 characters. */
  readonly token: string;
  /** The method to begin with, one of `methods`. @default the first of `methods` that the subject can use */
  readonly method?: MethodName | undefined;
  /** The token of the device in front of the person, without which the method `device` is not chosen. */
  readonly deviceToken?: string | undefined;
  /**
   * The party that causes the message, 1 to 255 characters: an IP address, or the id of a session or a user. It is counted by
   * `sendsPerRequester` and `sendsPerNetwork` where no subject is given or the client named the phone number or address. Without
   * it, all unknown requesters share one quota.
   */
  readonly requester?: string | undefined;
  /**
   * Makes the confirmation and its message in the transaction of this manager, with `delivery: 'queued'` only. A rollback sends
   * nothing, and a commit sends the message. The budgets for messages are charged after the commit: a message that one of them
   * refuses waits until the budget's window ends, or fails with `too-many-requests`.
   */
  readonly manager?: EntityManager | undefined;
}

/** The input of `TwoFactorService.request` with methods, which needs a phone number or address (`token`) only to send a code. */
export interface TwoFactorMethodRequestInput extends Omit<TwoFactorRequestInput, 'token'> {
  readonly token?: string | undefined;
  readonly subject: string;
  readonly methods: readonly MethodName[];
}

/** A request whose methods were chosen before. */
type RequestInput = Omit<TwoFactorMethodRequestInput, 'methods' | 'subject'> & {
  readonly subject?: string | undefined;
};

/** The options of `TwoFactorService.resend`. */
export interface TwoFactorResendInput {
  /** The party that causes the message, as for `request`. */
  readonly requester?: string | undefined;
  /**
   * 16 to 128 characters. Repeated calls with one key send one message, and a repeat returns what the first call returned,
   * also while the cooldown lasts. Draw a new key for each message.
   */
  readonly idempotencyKey?: string | undefined;
  /**
   * The address, number or chat id that receives the first code of a confirmation that was begun by another method, 1 to 320
   * characters. A confirmation that has a token keeps it.
   */
  readonly token?: string | undefined;
  /** The sender of that first code. Later messages go by the same sender. @default as for `request` */
  readonly way?: string | undefined;
  /** Data for the sender of that first code, such as a locale. Later messages have the same. */
  readonly context?: SendContext | undefined;
}

const REQUEST_MEMBERS = inputMembers<TwoFactorRequestInput>({
  purpose: true,
  subject: true,
  details: true,
  meta: true,
  method: true,
  methods: true,
  deviceToken: true,
  token: true,
  tokenFrom: true,
  way: true,
  ttlSeconds: true,
  context: true,
  idempotencyKey: true,
  requester: true,
  manager: true,
});
const RESEND_MEMBERS = inputMembers<TwoFactorResendInput>({
  requester: true,
  idempotencyKey: true,
  token: true,
  way: true,
  context: true,
});

/**
 * A requested confirmation, with the values that a client needs.
 *
 * A message was sent for the method `code` alone. For any other `method` the members `resendAt`, `codeLength` and `maskedToken` are
 * placeholders, which the bundled controller leaves out of its answer: look at `method` before you pass them on.
 */
export interface RequestedConfirmation {
  /** The confirmation's id, 36 characters. */
  readonly id: string;
  /** When the code expires. */
  readonly expiresAt: Date;
  /** When `resend(id)` is accepted; the time of the call where nothing was sent. */
  readonly resendAt: Date;
  /** Responses that may still be tried. */
  readonly attemptsLeft: number;
  /** Characters of the sent code, for the input field; 0 where nothing was sent. */
  readonly codeLength: number;
  /** The method to begin with. A message was sent for `code` alone. */
  readonly method: MethodName;
  /** The methods that the subject can use for this confirmation now, in order of preference. */
  readonly methods: readonly MethodName[];
  /**
   * The phone number or address with most of its characters replaced: its owner recognises it, and no other reader learns it. `****`
   * where nothing was sent.
   */
  readonly maskedToken: string;
  /**
   * `queued` with `delivery: 'queued'`: the message leaves after the commit, and `DeliveryService.status` tells what became of
   * it. Absent otherwise, because the message has left.
   */
  readonly delivery?: 'queued' | undefined;
  /** The confirmation itself. */
  readonly state: ConfirmationState;
}

/**
 * Creates confirmations and sends their codes. Controllers, resolvers and message consumers call it; it does not depend on
 * HTTP.
 *
 * @publicApi
 */
@Injectable()
export class TwoFactorService {
  /** @internal It is injected. */
  constructor(
    private readonly creator: ConfirmationCreator,
    private readonly sender: SenderService,
    private readonly chooser: MethodChooser,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {}

  /**
   * Creates a confirmation for a phone number or address (`token`) and sends its code, or begins with another one of its
   * `methods` and sends nothing. With an `idempotencyKey`, repeated requests share one confirmation and one message; call
   * `resend` if that message did not arrive.
   *
   * @throws TwoFactorInputError for a member of the wrong shape, an unknown sender, a manager unless messages are queued, and
   * methods beside codes without a subject or with `tokenFrom: 'client'`; nothing was created.
   * @throws TwoFactorKeyReusedError when the key belongs to a request for another phone number or address, sender, life or other
   * details.
   * @throws TwoFactorTooManyRequestsError, TwoFactorUnavailableError when a limit is reached; nothing was created.
   * @throws TwoFactorRecipientError when the `destinations` of the sender leave the number out (nothing was created), or when the
   * phone number or address can never be reached; the latter never with `delivery: 'queued'`.
   * @throws TwoFactorSendError, never with `delivery: 'queued'`, when the confirmation was created but its message was not delivered:
   * call `resend(error.id)` after `error.resendAt`.
   * @example
   * ```ts
   * const { id, maskedToken } = await twoFactor.request({ way: 'email', token: 'ann@example.com', purpose: 'login' });
   * ```
   */
  async request(
    input: TwoFactorMethodRequestInput | TwoFactorRequestInput,
  ): Promise<RequestedConfirmation> {
    expectInput('request', input, REQUEST_MEMBERS);
    const { method: asked, token, deviceToken } = input;
    if (input.methods === undefined && asked === undefined)
      return this.requestWithChoice(null, input);
    const canSend = token !== undefined;
    const subject = input.subject === undefined ? '' : parseSubject(input.subject);
    const allowed = parseMethods(input.methods, this.options.methods) ?? CODE_ALONE;
    assertSubjectMethods(allowed, subject, parseTokenFrom(input.tokenFrom));
    const choice = await this.chooser.choose({
      subject,
      allowed,
      asked,
      canSend,
      deviceToken,
    });
    return this.requestWithChoice(choice, input);
  }

  /**
   * As `request`, with methods that were chosen before; `null` for a code alone.
   *
   * @internal
   */
  async requestWithChoice(
    choice: MethodChoice | null,
    input: RequestInput,
  ): Promise<RequestedConfirmation> {
    if (choice === null) return this.#requestCode(null, input);
    try {
      return choice.method === CODE_METHOD
        ? await this.#requestCode(choice, input)
        : await this.#requestWithoutMessage(choice, input);
    } catch (error) {
      const isLocked = error instanceof TwoFactorTooManyRequestsError && error.limit === 'failures';
      const methods = this.chooser.neverLockedMethods(choice);
      if (!isLocked || methods.length === 0) throw error;
      const { message, retryAfterSeconds, limit } = error;
      throw new TwoFactorTooManyRequestsError(message, retryAfterSeconds, limit, methods);
    }
  }

  /** A confirmation that begins with a method beside codes. Nothing is sent. */
  async #requestWithoutMessage(
    choice: MethodChoice,
    {
      purpose,
      subject,
      details,
      meta,
      ttlSeconds,
      manager,
      idempotencyKey,
      requester,
    }: RequestInput,
  ): Promise<RequestedConfirmation> {
    // Without a queue a manager is refused for every method, so that the answer does not depend on what the subject has enrolled.
    this.sender.admit('', 'open', manager);
    const given = { purpose, subject, details, meta, ttlSeconds, manager, idempotencyKey };
    const { methods, method, isNarrowed } = choice;
    const unsent = { requester: parseRequester(requester), isNarrowed };
    const { state } = await this.creator.create({ ...given, methods }, undefined, method, unsent);
    return this.#describe(state, null, choice);
  }

  async #requestCode(
    choice: MethodChoice | null,
    input: RequestInput,
  ): Promise<RequestedConfirmation> {
    const {
      purpose,
      subject,
      details,
      meta,
      context,
      ttlSeconds,
      tokenFrom,
      manager,
      idempotencyKey: key,
    } = input;
    const token = parseToken(input.token);
    const sender = this.sender.senderFor(purpose, input.way ?? null);
    const scope = { purpose: purpose ?? '', subject: subject ?? '', tokenFrom };
    const limitClass = messageClassOf(this.options, scope);
    const queued = this.sender.admit(sender.name, limitClass, manager);
    const requester = parseRequester(input.requester);
    const message = { way: sender.name, requester, queued };
    const made = await this.creator.create(
      {
        token,
        tokenFrom,
        way: sender.name,
        purpose,
        subject,
        details,
        meta,
        context,
        ttlSeconds,
        manager,
        idempotencyKey: key,
        methods: choice?.methods,
      },
      message,
    );
    const isBegun = made.pendingMessage === null && stateRow(made.state).envelope === null;
    if (isBegun && manager !== undefined) throw begunByOtherMethod();
    const first = { ...message, token, context: parseContext(context) };
    const state = await this.sender.sendInitial(made, sender, first, manager);
    return this.#describe(state, made.pendingMessage ?? openContent(state), choice);
  }

  /**
   * Sends the code of a confirmation again after the cooldown, by the same sender to the same phone number or address. With a
   * `token` it sends the first code of a confirmation that was begun by another method, and that allows a code: the person has chosen
   * "send me a code instead". The expiry and the number of attempts stay.
   *
   * @param confirmation Its id or its state.
   * @param seen Its row, for a caller inside of this package that has just read it.
   * @throws TwoFactorInputError for a confirmation without a token, another token, and another sender than that of its first code.
   * @throws TwoFactorNotFoundError for an unknown confirmation, TwoFactorStateError for one that is not pending.
   * @throws TwoFactorTooManyRequestsError also while the cooldown lasts, and as `request`.
   */
  async resend(
    confirmation: ConfirmationReference,
    input: TwoFactorResendInput = {},
    seen?: ConfirmationRow,
  ): Promise<RequestedConfirmation> {
    expectInput('resend', input, RESEND_MEMBERS);
    const { requester, idempotencyKey, token, way, context } = input;
    const first = { token, way, context };
    return this.describe(
      await this.sender.resendOrSendFirst(confirmation, { requester, idempotencyKey, first, seen }),
    );
  }

  /** The values of a state that a client needs. */
  describe(state: ConfirmationState): RequestedConfirmation {
    return this.#describe(state, openContent(state), null);
  }

  #describe(
    state: ConfirmationState,
    sealed: { readonly code: string; readonly token?: string | undefined } | null,
    choice: MethodChoice | null,
  ): RequestedConfirmation {
    const { id, expiresAt, attemptsLeft } = state;
    const isQueued = this.options.delivery === 'queued' && sealed !== null;
    return {
      id,
      expiresAt,
      attemptsLeft,
      state,
      method: choice?.method ?? CODE_METHOD,
      methods: choice?.usable ?? CODE_ALONE,
      resendAt: this.resendAt(state),
      codeLength: sealed?.code.length ?? 0,
      maskedToken: maskToken(sealed?.token ?? ''),
      ...(isQueued && { delivery: 'queued' }),
    };
  }

  /** When `resend` of this confirmation is accepted. */
  resendAt(state: ConfirmationState): Date {
    return new Date(resendAt(stateRow(state), this.options.clock.now(), this.options));
  }
}

/** The confirmation that an earlier request began by another method is not changed in the transaction of a repeat: no code would be sent. */
function begunByOtherMethod(): TwoFactorKeyReusedError {
  return new TwoFactorKeyReusedError(
    'The idempotencyKey stands for a request that began by another method. Draw a new one, or repeat the request without manager.',
  );
}
