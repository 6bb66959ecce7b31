import { Injectable } from '@nestjs/common';

import { expectInput, inputMembers } from '../errors/index.js';
import { ConfirmationStates } from './confirmation-states.js';
import { ConfirmationCreator } from './create/confirmation-creator.js';
import type { ConfirmationRow } from './model/confirmation-record.entity.js';
import type { ConfirmationState } from './model/confirmation-state.js';
import type {
  ChallengeInput,
  CheckInput,
  ConfirmationAttempt,
  ConfirmationReference,
  ConfirmationResult,
  MakeConfirmationInput,
  MethodResponse,
  UseInput,
} from './model/inputs.interface.js';
import { idOf } from './model/parse-input.js';
import type { PasskeyRequestOptions } from './model/passkey-json.js';
import { PurgeService, type PurgeInput } from './purge/purge.service.js';
import { ConfirmationRedeemer } from './use/confirmation-redeemer.js';
import type { ProofRefusal } from './use/proof-refusal.js';
import type { ProofReservation } from './use/proof-reservation.js';
import type { ProofSpending } from './use/proof-spending.js';
import { ConfirmationVerifier, type VerifyOptions } from './verify/confirmation-verifier.js';

const CHALLENGE_MEMBERS = inputMembers<ChallengeInput>({ method: true });

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
   * @throws TwoFactorTooManyRequestsError when the phone number or address is locked, or there are too many pending
   * confirmations.
   */
  async makeConfirmation(input: MakeConfirmationInput = {}): Promise<ConfirmationState> {
    const { state } = await this.creator.create(input);
    return state;
  }

  /**
   * Whether `use` could succeed now. Reads, and changes nothing. With a binding, only a proof for exactly that counts;
   * without one, only the confirmation's own state does. A proof whose factor was removed or replaced since is `cancelled`.
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
   * What the browser needs to answer with a passkey: give it to `PublicKeyCredential.parseRequestOptionsFromJSON` and
   * `navigator.credentials.get`. It is the same for each call on one confirmation, and nothing is stored or charged.
   *
   * @throws TwoFactorInputError for a method that is not configured, or a malformed id.
   * @throws TwoFactorNotFoundError for an unknown confirmation.
   * @throws TwoFactorStateError for a confirmation that is not pending; `method-not-allowed` when it was not made with this
   * method, or its subject had no passkey then.
   * @throws TwoFactorUnknownSecretError when the secret that it was made under is gone from the ring.
   * @example
   * ```ts
   * const options = await confirmer.challenge(state.id, { method: 'passkey' });
   * // ... the browser answers, and sends `credential.toJSON()`:
   * await confirmer.confirm(state.id, { method: 'passkey', response });
   * ```
   */
  async challenge(
    confirmation: ConfirmationReference,
    input: ChallengeInput,
  ): Promise<PasskeyRequestOptions> {
    expectInput('challenge', input, CHALLENGE_MEMBERS);
    return (await this.challengeBy(confirmation, input.method)) as PasskeyRequestOptions;
  }

  /**
   * As `challenge`, for a caller with a subject.
   *
   * @internal
   */
  async challengeBy(
    confirmation: ConfirmationReference,
    method: string,
    options?: VerifyOptions,
  ): Promise<object> {
    return this.verifier.challenge(idOf(confirmation), method, options);
  }

  /**
   * Confirms by the code, or by the response to another method: `{ method: 'totp', code }`. Charges one attempt with the
   * comparison, and one failure of the phone number or address for a wrong code: in one statement on PostgreSQL, MySQL and
   * MariaDB, in two on SQLite and where the limits are kept elsewhere. There the failure is charged
   * before the comparison, whatever the code is. A right code ends the failures of the phone number or address. The statements
   * commit on a connection of their own, also when the call is made inside a transaction.
   *
   * @returns whether this call confirmed it: `[state, false]` for a wrong code (see `attemptsLeft`) and for one that is
   * confirmed, used, cancelled, locked or expired (see `status`); `[null, false]` for an unknown id.
   * @throws TwoFactorInputError for what cannot be a code or an id; nothing is charged.
   * @throws TwoFactorStateError `method-not-allowed` for a method that the confirmation was not made with, and for a code before the
   * first message of a confirmation that a request has begun by another method; nothing is charged.
   * @throws TwoFactorTooManyRequestsError while the phone number or address is locked; nothing is compared, and nothing charged.
   * @throws TwoFactorUnknownSecretError when the secret is gone from the ring; the attempt is charged.
   */
  async confirm(
    confirmation: ConfirmationReference,
    response: MethodResponse | string,
  ): Promise<ConfirmationResult> {
    const { state, outcome } = await this.verify(confirmation, response);
    return outcome === 'confirmed' ? [state, true] : [state, false];
  }

  /**
   * As `confirm`, but distinguishes a wrong response from a confirmation that could not be confirmed.
   *
   * @internal
   */
  async verify(
    confirmation: ConfirmationReference,
    response: MethodResponse | string,
    options?: VerifyOptions,
  ): Promise<ConfirmationAttempt> {
    return this.verifier.verify(idOf(confirmation), response, options);
  }

  /**
   * Spends the proof: true for exactly one caller, ever. Purpose, subject and details must be those it was made for;
   * absent means none. A refused call leaves the proof as it was.
   *
   * Where the methods of the purpose are a function, it is asked again with `context`, as `@RequireConfirmation` does: a proof by a
   * method that it does not return any more is refused.
   *
   * @throws TwoFactorInputError for a malformed id, binding or key.
   * @throws TwoFactorCallError for both `idempotencyKey` and `manager`, and for a purpose with a function of methods without
   * `context` and `confirmedBy`; the proof is as it was then.
   * @throws TwoFactorConflictError when the manager's transaction lost a race.
   */
  async use(confirmation: ConfirmationReference, input: UseInput = {}): Promise<boolean> {
    return this.redeemer.use(idOf(confirmation), input);
  }

  /**
   * As `use`, for the guard: `null` when this call used the proof, and otherwise why it was refused.
   *
   * @internal
   */
  async redeem(
    confirmation: ConfirmationReference,
    input: CheckInput,
  ): Promise<ProofRefusal | null> {
    return this.redeemer.redeem(idOf(confirmation), input);
  }

  /**
   * As `redeem`, but it only reserves the proof: the handler of the call may still fail, and then the proof is released.
   *
   * @internal
   */
  async reserve(
    confirmation: ConfirmationReference,
    input: CheckInput,
  ): Promise<ProofReservation | ProofRefusal> {
    return this.redeemer.reserve(idOf(confirmation), input);
  }

  /**
   * As `use`, in a transaction of this package, together with the change of a factor.
   *
   * @internal
   */
  spending(confirmation: ConfirmationReference, input: CheckInput): ProofSpending {
    return this.redeemer.spending(idOf(confirmation), input);
  }

  /** Ends a confirmation that is not used yet. @returns whether this call did. */
  async cancel(confirmation: ConfirmationReference): Promise<boolean> {
    return this.redeemer.cancel(idOf(confirmation));
  }

  /**
   * Deletes all confirmations of a subject, alive or not (GDPR art. 17), and before them its factors. There is no index on the
   * subject: on a large table this reads it all. No proof is left that pays, whatever confirmed it. What was counted for limits is left,
   * and ends with its windows.
   *
   * For a person who leaves. For a user who lost the phone a help desk calls `FactorService.erase`, which deletes the factors alone
   * and ends the unused proofs by them, in the transaction of a `manager`.
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
