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

/** What `request` takes. */
export interface TwoFactorRequestInput extends Omit<
  MakeConfirmationInput,
  'manager' | 'isConfirmed' | 'token'
> {
  /** Where the code goes. */
  readonly token: string;
  /**
   * Who causes the message, 1 to 255 characters: an IP address, or an id of a session or a user. Counted by
   * `sendsPerRequester` and `sendsPerNetwork` where no subject is given or the client named the token; without it such a
   * message counts for all unknown requesters together.
   */
  readonly requester?: string | undefined;
}

/** What `resend` takes beside the confirmation. */
export interface TwoFactorResendInput {
  /** As of `request`. */
  readonly requester?: string | undefined;
}

/** A confirmation that was asked for, in the words of a client. */
export interface TwoFactorRequest {
  readonly id: string;
  /** Until when the code can be confirmed. */
  readonly expiresAt: Date;
  /** From when on `resend(id)` is accepted. */
  readonly resendAt: Date;
  readonly attemptsLeft: number;
  /** How many characters to ask for. */
  readonly codeLength: number;
  /** Enough of the token for its owner to know it. */
  readonly maskedToken: string;
  /** The confirmation itself. */
  readonly state: ConfirmationState;
}

/**
 * Makes a confirmation and sends it: what controllers, resolvers and consumers call. It knows nothing of HTTP.
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
   * Makes a confirmation for a token and sends its code. With a `key` the same request makes one confirmation and one
   * message, however often it is repeated; if that message did not arrive, `resend` it.
   *
   * @throws TwoFactorInputError for a member of the wrong shape or an unknown sender; nothing was made.
   * @throws TwoFactorTooManyRequestsError, TwoFactorUnavailableError when a limit is reached; nothing was made.
   * @throws TwoFactorRecipientError when the token can never be reached.
   * @throws TwoFactorSendError when it was made but not delivered: `resend(error.id)` from `error.resendAt` on.
   */
  async request(input: TwoFactorRequestInput): Promise<TwoFactorRequest> {
    if (typeof input !== 'object' || input === null) {
      throw new TwoFactorInputError('request takes an object.');
    }
    // Member by member: what else an untyped caller gives, such as isConfirmed, goes no further.
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
   * Sends a confirmation's code again, once its cooldown is over.
   *
   * @param seen its row, for a caller inside this package who has just read it.
   * @throws TwoFactorNotFoundError, TwoFactorStateError, TwoFactorTooManyRequestsError, and as `request`.
   */
  async resend(
    confirmation: ConfirmationReference,
    input: TwoFactorResendInput = {},
    seen?: ConfirmationRow,
  ): Promise<TwoFactorRequest> {
    if (typeof input !== 'object' || input === null) {
      throw new TwoFactorInputError('resend takes a confirmation and an object.');
    }
    const requester = parseRequester(input.requester);
    return this.describe(await this.sender.resend(confirmation, requester, seen));
  }

  /** A state in the words of a client. */
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

  /** From when on `resend` of this confirmation is accepted. */
  resendAt(state: ConfirmationState): Date {
    return new Date(resendAt(stateRow(state), this.options.clock.now(), this.options));
  }
}
