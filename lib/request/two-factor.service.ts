import { Injectable } from '@nestjs/common';

import {
  ConfirmationCreator,
  maskToken,
  parseToken,
  openContent,
  stateRow,
  type ConfirmationReference,
  type ConfirmationRow,
  type ConfirmationState,
  type MakeConfirmationInput,
} from '../confirmation/index.js';
import { TwoFactorInputError } from '../errors/index.js';
import { parseRequester } from '../limits/index.js';
import type { ResolvedOptions } from '../options/index.js';
import { resendAt, SenderService } from '../delivery/index.js';
import { InjectTwoFactorOptions } from '../two-factor.tokens.js';

/** The input of `TwoFactorService.request`. */
export interface TwoFactorRequestInput extends Omit<
  MakeConfirmationInput,
  'manager' | 'isConfirmed' | 'token'
> {
  /** The address, number or chat id that receives the code, 1 to 320 characters. */
  readonly token: string;
  /**
   * The party that causes the message, 1 to 255 characters: an IP address, or the id of a session or a user. It is counted by
   * `sendsPerRequester` and `sendsPerNetwork` where no subject is given or the client named the token. Without it, all unknown
   * requesters share one quota.
   */
  readonly requester?: string | undefined;
}

/** The options of `TwoFactorService.resend`. */
export interface TwoFactorResendInput {
  /** The party that causes the message, as for `request`. */
  readonly requester?: string | undefined;
}

/** A requested confirmation, with the values that a client needs. */
export interface TwoFactorRequest {
  /** The confirmation's id, 36 characters. */
  readonly id: string;
  /** When the code expires. */
  readonly expiresAt: Date;
  /** When `resend(id)` is accepted. */
  readonly resendAt: Date;
  /** Codes that may still be tried. */
  readonly attemptsLeft: number;
  /** Characters of the code, for the input field. */
  readonly codeLength: number;
  /** The token with most of its characters replaced: its owner recognises it, and no other reader learns it. */
  readonly maskedToken: string;
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
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {}

  /**
   * Creates a confirmation for a token and sends its code. With an `idempotencyKey`, repeated requests share one confirmation
   * and one message; call `resend` if that message did not arrive.
   *
   * @throws TwoFactorInputError for a member of the wrong shape or an unknown sender; nothing was created.
   * @throws TwoFactorTooManyRequestsError, TwoFactorUnavailableError when a limit is reached; nothing was created.
   * @throws TwoFactorRecipientError when the token can never be reached.
   * @throws TwoFactorSendError when the confirmation was created but its message was not delivered: call `resend(error.id)`
   * after `error.resendAt`.
   * @example
   * ```ts
   * const { id, maskedToken } = await twoFactor.request({ way: 'email', token: 'ann@example.com', purpose: 'login' });
   * ```
   */
  async request(input: TwoFactorRequestInput): Promise<TwoFactorRequest> {
    expectObject(input, 'request takes an object.');
    // Members are picked by name, because an untyped caller could pass `isConfirmed: true`.
    const {
      purpose,
      subject,
      details,
      meta,
      context,
      ttlSeconds,
      tokenFrom,
      idempotencyKey: key,
    } = input;
    const token = parseToken(input.token);
    const sender = this.sender.senderFor(purpose, input.way ?? null);
    const message = { way: sender.name, requester: parseRequester(input.requester) };
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
        idempotencyKey: key,
      },
      message,
    );
    const state = await this.sender.sendInitial(made, sender, message.requester);
    return this.#describe(state, made.pendingMessage ?? openContent(state));
  }

  /**
   * Sends the code of a confirmation again after the cooldown, by the same sender to the same token.
   *
   * @param confirmation Its id or its state.
   * @param seen Its row, for a caller inside of this package that has just read it.
   * @throws TwoFactorNotFoundError for an unknown confirmation, TwoFactorStateError for one that is not pending.
   * @throws TwoFactorTooManyRequestsError also while the cooldown lasts, and as `request`.
   */
  async resend(
    confirmation: ConfirmationReference,
    input: TwoFactorResendInput = {},
    seen?: ConfirmationRow,
  ): Promise<TwoFactorRequest> {
    expectObject(input, 'resend takes a confirmation and an object.');
    const requester = parseRequester(input.requester);
    return this.describe(await this.sender.resend(confirmation, requester, seen));
  }

  /** The values of a state that a client needs. */
  describe(state: ConfirmationState): TwoFactorRequest {
    return this.#describe(state, openContent(state));
  }

  #describe(
    state: ConfirmationState,
    sealed: { readonly code: string; readonly token?: string | undefined } | null,
  ): TwoFactorRequest {
    const { id, expiresAt, attemptsLeft } = state;
    return {
      id,
      expiresAt,
      attemptsLeft,
      state,
      resendAt: this.resendAt(state),
      codeLength: sealed?.code.length ?? 0,
      maskedToken: maskToken(sealed?.token ?? ''),
    };
  }

  /** When `resend` of this confirmation is accepted. */
  resendAt(state: ConfirmationState): Date {
    return new Date(resendAt(stateRow(state), this.options.clock.now(), this.options));
  }
}

/** Refuses the argument of an untyped caller before a member of it is read. */
function expectObject(value: unknown, problem: string): asserts value is object {
  if (typeof value !== 'object' || value === null) throw new TwoFactorInputError(problem);
}
