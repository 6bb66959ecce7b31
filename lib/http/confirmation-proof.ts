import type { ExecutionContext } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import type { ConfirmationState, ProofReservation } from '../confirmation/index.js';
import { TwoFactorConfigurationError } from '../errors/index.js';
import { forTransport } from './two-factor-http.exception.js';

let reservationOf: (proof: ConfirmationProof) => ProofReservation;

/**
 * The proof that a guarded route was called with. The guard has reserved it for this call: every other call with it is
 * refused from before the handler runs until the call has failed.
 *
 * @publicApi
 */
export class ConfirmationProof {
  readonly #reservation: ProofReservation;
  readonly #context: ExecutionContext;

  static {
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

  /** Store it with an effect that must happen once even if its answer is lost, in a column that is unique. */
  get id(): string {
    return this.state.id;
  }

  /** Whether `use` succeeded; in a transaction: unless that is rolled back. */
  get isUsed(): boolean {
    return this.#reservation.isUsed;
  }

  /**
   * Makes the reservation a use, with `manager` in its transaction. From then on a failure of the handler releases the
   * proof only when that transaction is rolled back; without `manager` it never does. Call it before the effect, or in the
   * effect's transaction: a handler that fails without it gets its proof released, whatever it has done.
   *
   * @throws TwoFactorConfirmationUsedError (over HTTP: 409) when this call has used it before, or was given up meanwhile.
   * @throws TwoFactorConflictError (over HTTP: 409) when the transaction lost a race, or began before the guard ran and
   * cannot see the reservation (PostgreSQL's REPEATABLE READ and SERIALIZABLE). Begin it in the handler.
   */
  async use({ manager }: { readonly manager?: EntityManager | undefined } = {}): Promise<void> {
    try {
      await this.#reservation.use(manager);
    } catch (error) {
      throw forTransport(error, this.#context);
    }
  }
}

/** By call and handler: two gateways that listen to one message are handed the same data. */
const proofs = new WeakMap<object, Map<unknown, ConfirmationProof>>();

/**
 * The object that identifies one call: the request over HTTP; elsewhere the second argument (the arguments of a GraphQL
 * field, the data of a WebSocket message, the context of an RPC), because calls may share the first one.
 */
function callIdentity(context: ExecutionContext): object | undefined {
  const call: unknown = context.getArgByIndex(context.getType() === 'http' ? 0 : 1);
  return typeof call === 'object' && call !== null ? call : undefined;
}

/** @throws TwoFactorConfigurationError for a call that cannot carry a proof; nothing may be reserved for it. */
export function assertCarriesProof(context: ExecutionContext): void {
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

/** The reservation behind a proof, for the interceptor that ends it. */
export function proofReservation(proof: ConfirmationProof): ProofReservation {
  return reservationOf(proof);
}
