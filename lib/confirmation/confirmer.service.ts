import { Injectable } from '@nestjs/common';

import { ConfirmationStates } from './confirmation-states.js';
import { ConfirmationCreator } from './create/confirmation-creator.js';
import type { ConfirmationRow } from './model/confirmation-record.entity.js';
import type { ConfirmationState } from './model/confirmation-state.js';
import type {
  CheckInput,
  ConfirmationAttempt,
  ConfirmationReference,
  ConfirmationResult,
  MakeConfirmationInput,
  UseInput,
} from './model/inputs.interface.js';
import { idOf } from './model/parse-input.js';
import { PurgeService, type PurgeInput } from './purge/purge.service.js';
import { ConfirmationRedeemer } from './use/confirmation-redeemer.js';
import type { ProofReservation } from './use/proof-reservation.js';
import { ConfirmationVerifier, type VerifyOptions } from './verify/confirmation-verifier.js';

/**
 * Makes, checks, confirms, uses and cancels confirmations. Outcomes are values; a broken contract is a
 * `TwoFactorInputError`, which charges nothing; a database that does not answer is a `TwoFactorUnavailableError`.
 *
 * @example
 * ```ts
 * const state = await confirmer.makeConfirmation({ purpose: 'login', subject: user.id });
 * await sender.send('email', user.email, state);
 * // ... the person types the code:
 * const [, confirmed] = await confirmer.confirm(state.id, code);
 * // ... and it is spent, by one caller, once:
 * const used = await confirmer.use(state.id, { purpose: 'login', subject: user.id });
 * ```
 * @publicApi
 */
@Injectable()
export class ConfirmerService {
  /** @internal It is injected. */
  constructor(
    private readonly creator: ConfirmationCreator,
    private readonly verifier: ConfirmationVerifier,
    private readonly redeemer: ConfirmationRedeemer,
    private readonly states: ConfirmationStates,
    private readonly purger: PurgeService,
  ) {}

  /**
   * Makes a pending confirmation with a fresh code. Nothing is sent.
   *
   * @throws TwoFactorInputError for a member of the wrong shape, or a key that stands for another request.
   * @throws TwoFactorTooManyRequestsError when the token is locked, or there are too many pending confirmations.
   */
  async makeConfirmation(input: MakeConfirmationInput = {}): Promise<ConfirmationState> {
    const { state } = await this.creator.create(input);
    return state;
  }

  /**
   * Whether `use` could succeed now. Reads, and changes nothing. With a binding, only a proof for exactly that counts;
   * without one, only the confirmation's own state does.
   *
   * @throws TwoFactorInputError for a malformed id or binding.
   */
  async check(
    confirmation: ConfirmationReference,
    binding?: CheckInput,
  ): Promise<ConfirmationResult> {
    return this.redeemer.check(idOf(confirmation), binding);
  }

  /**
   * Confirms by the code. Charges one attempt with the comparison, and one failure of the token for a wrong code: in one
   * statement on PostgreSQL, in two on other engines and where the limits are kept elsewhere. There the failure is charged
   * before the comparison, whatever the code is. A right code ends the failures of the token. The statements commit on a
   * connection of their own, also when the call is made inside a transaction.
   *
   * @returns whether this call confirmed it: `[state, false]` for a wrong code (see `attemptsLeft`) and for one that is
   * confirmed, used, cancelled, locked or expired (see `status`); `[null, false]` for an unknown id.
   * @throws TwoFactorInputError for what cannot be a code or an id; nothing is charged.
   * @throws TwoFactorTooManyRequestsError while the token is locked; nothing is compared, and nothing charged.
   * @throws TwoFactorUnknownSecretError when the secret is gone from the ring; the attempt is charged.
   */
  async confirm(confirmation: ConfirmationReference, code: string): Promise<ConfirmationResult> {
    const { state, outcome } = await this.verify(confirmation, code);
    return outcome === 'confirmed' ? [state, true] : [state, false];
  }

  /**
   * As `confirm`, but distinguishes a wrong code from a confirmation that could not be confirmed.
   *
   * @internal
   */
  async verify(
    confirmation: ConfirmationReference,
    code: string,
    options?: VerifyOptions,
  ): Promise<ConfirmationAttempt> {
    return this.verifier.verify(idOf(confirmation), code, options);
  }

  /**
   * Spends the proof: true for exactly one caller, ever. Purpose, subject and details must be those it was made for;
   * absent means none. A refused call leaves the proof as it was.
   *
   * @throws TwoFactorInputError for a malformed id, binding or key, and for both `idempotencyKey` and `manager`.
   * @throws TwoFactorConflictError when the manager's transaction lost a race.
   */
  async use(confirmation: ConfirmationReference, input: UseInput = {}): Promise<boolean> {
    return this.redeemer.use(idOf(confirmation), input);
  }

  /**
   * As `use`, for a call that may still fail: `null` when the proof was refused.
   *
   * @internal
   */
  async reserve(
    confirmation: ConfirmationReference,
    input: CheckInput,
  ): Promise<ProofReservation | null> {
    return this.redeemer.reserve(idOf(confirmation), input);
  }

  /** Ends a confirmation that is not used yet. @returns whether this call did. */
  async cancel(confirmation: ConfirmationReference): Promise<boolean> {
    return this.redeemer.cancel(idOf(confirmation));
  }

  /**
   * Deletes all confirmations of a subject, alive or not (GDPR art. 17). There is no index on the subject: on a large
   * table this reads it all.
   *
   * @returns how many there were.
   */
  async erase(input: { readonly subject: string }): Promise<number> {
    return this.redeemer.erase(input);
  }

  /**
   * Deletes rows that can neither be confirmed nor used any more, in paced batches. The module does it by itself unless
   * `autoPurge` is false.
   *
   * @returns how many there were.
   */
  async purge(input?: PurgeInput): Promise<number> {
    return this.purger.purge(input);
  }

  /**
   * A code for a resend that rotates it.
   *
   * @internal
   */
  async drawCode(): Promise<string> {
    return this.creator.drawCode();
  }

  /** @internal */
  stateOf(row: ConfirmationRow): ConfirmationState {
    return this.states.stateOf(row);
  }

  /** @internal */
  async releasePendingSlot(row: ConfirmationRow): Promise<void> {
    await this.states.releasePendingSlot(row);
  }
}
