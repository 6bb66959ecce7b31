import type { ExecutionContext } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import type { ConfirmationState, ProofReservation } from '../confirmation/index.js';
import { brand, expectInput, inputMembers, TwoFactorConfigurationError } from '../errors/index.js';
import { toTransportError } from './two-factor-http.exception.js';

const USE_MEMBERS = inputMembers<{ manager: EntityManager }>({ manager: true });

let reservationOf: (proof: ConfirmationProof) => ProofReservation;

/**
 * The proof of a guarded route with `useIn: 'handler'`. The guard has reserved it for this call: other calls with the same proof
 * are refused, unless this call fails and releases it.
 *
 * @publicApi
 */
export class ConfirmationProof {
  readonly #reservation: ProofReservation;
  readonly #context: ExecutionContext;

  static {
    brand(this, 'ConfirmationProof');
    reservationOf = (proof) => proof.#reservation;
  }

  /** @internal */
  constructor(reservation: ProofReservation, context: ExecutionContext) {
    this.#reservation = reservation;
    this.#context = context;
  }

  /** The confirmation as the guard found it: confirmed, and for this purpose, subject and details. */
  get state(): ConfirmationState {
    return this.#reservation.state;
  }

  /** The confirmation's id. Store it in a unique column when an effect must happen once although its response was lost. */
  get id(): string {
    return this.state.id;
  }

  /** Whether `use` succeeded. A rollback of its transaction sets it back. */
  get isUsed(): boolean {
    return this.#reservation.isUsed;
  }

  /**
   * Uses the proof: with `manager` in its transaction, otherwise immediately.
   *
   * Call it before the effect of the handler, or in the transaction of the effect. When a handler fails before this call, its
   * proof is released and can be used again. After this call only a rollback of the transaction releases the proof.
   *
   * @throws TwoFactorConfirmationUsedError (over HTTP: 409) when this call has used the proof before, or was cancelled.
   * @throws TwoFactorConflictError (over HTTP: 409) when the transaction lost a race, or began before the guard ran and
   * cannot see the reservation (PostgreSQL's REPEATABLE READ and SERIALIZABLE). Begin the transaction in the handler.
   * @example
   * ```ts
   * await dataSource.transaction(async (manager) => {
   *   await proof.use({ manager });
   *   await manager.insert(Transfer, body);
   * });
   * ```
   */
  async use(input: { readonly manager?: EntityManager | undefined } = {}): Promise<void> {
    try {
      expectInput('proof.use', input, USE_MEMBERS);
      await this.#reservation.use(input.manager);
    } catch (error) {
      throw toTransportError(error, this.#context);
    }
  }
}

/** The proofs by call and handler. By the call alone, two gateways that receive one message would share a proof. */
const proofs = new WeakMap<object, Map<unknown, ConfirmationProof>>();

/**
 * The object that identifies one call: over HTTP the request, elsewhere the second argument (the arguments of a GraphQL field,
 * the data of a WebSocket message, the context of an RPC). The first argument may be shared by several calls.
 */
function callIdentity(context: ExecutionContext): object | undefined {
  const call: unknown = context.getArgByIndex(context.getType() === 'http' ? 0 : 1);
  return typeof call === 'object' && call !== null ? call : undefined;
}

/**
 * Checks that the call has an object to which a proof can be attached for the handler. It is called before a proof is reserved,
 * because the handler could never use that proof.
 *
 * @throws TwoFactorConfigurationError for a call without one.
 */
export function assertCanCarryProof(context: ExecutionContext): void {
  if (callIdentity(context) !== undefined) return;
  throw new TwoFactorConfigurationError(
    `A call over ${context.getType()} without an object as its second argument cannot carry a proof. Use useIn: 'guard'.`,
  );
}

export function attachProof(context: ExecutionContext, reservation: ProofReservation): void {
  const call = callIdentity(context);
  if (call === undefined) return;
  const ofCall = proofs.get(call) ?? new Map<unknown, ConfirmationProof>();
  const proof = new ConfirmationProof(reservation, context);
  proofs.set(call, ofCall.set(context.getHandler(), proof));
}

export function proofOf(context: ExecutionContext): ConfirmationProof | undefined {
  const call = callIdentity(context);
  return call && proofs.get(call)?.get(context.getHandler());
}

/** The reservation of a proof, for the interceptor that completes or releases it. */
export function proofReservation(proof: ConfirmationProof): ProofReservation {
  return reservationOf(proof);
}
