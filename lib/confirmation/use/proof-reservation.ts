import { Logger } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import { drawBytes, shortId } from '../../crypto/index.js';
import {
  messageAndCauseOf,
  TwoFactorConfirmationUsedError,
  TwoFactorConflictError,
} from '../../errors/index.js';
import type { StoredBinding } from '../model/binding.js';
import type { ConfirmationRow } from '../model/confirmation-record.entity.js';
import type { ConfirmationState } from '../model/confirmation-state.js';
import type { ConfirmationStore } from '../store/confirmation.store.js';
import type { EventPublisher } from '../event-publisher.js';

const MARK_BYTES = 15;
const logger = new Logger('ProofReservation');

/** The use key of one call's reservation. Idempotency keys have no blanks, so that none of them equals it. */
export function newReservationMark(): string {
  return ` r${drawBytes(MARK_BYTES).toString('base64url')}`;
}

/**
 * A reserved row as it was before, for a handler that looks at the state of its proof. Its factor was there when it was reserved; where
 * the row is read after that, a removal in between must not show the handler a cancelled proof that it may use.
 */
export function asUnreserved(row: ConfirmationRow): ConfirmationRow {
  return Object.assign(row, { usedAt: null, useKey: null, isFactorGone: false });
}

/**
 * A proof that one call has reserved. Every other call finds it used. It ends as a use (`use` in the handler, or
 * `endAsUsed` after it), or is released after a failure. When the process dies in between it stays as it is, and the person confirms
 * once more: a second code is the price of never having a second effect.
 */
export class ProofReservation {
  /** What this process knows. Each statement decides by the mark alone. */
  #phase: 'reserved' | 'used' | 'ended' | 'released' = 'reserved';
  #hasBegun = false;
  #isUnderWay = false;
  #isHandlerRunning = false;
  #usedIn: EntityManager | undefined;
  #isEmitted = false;
  // Private to the runtime, not to the compiler alone: `console.log` of a proof would otherwise print the details' MAC.
  readonly #mark: string;
  readonly #binding: StoredBinding;
  readonly #store: ConfirmationStore;
  readonly #publisher: EventPublisher;

  /** @internal */
  constructor(
    /** The confirmation as it was before the reservation. */
    readonly state: ConfirmationState,
    mark: string,
    binding: StoredBinding,
    store: ConfirmationStore,
    publisher: EventPublisher,
  ) {
    this.#mark = mark;
    this.#binding = binding;
    this.#store = store;
    this.#publisher = publisher;
  }

  /** Whether `use` succeeded; in a transaction: unless that was rolled back. */
  get isUsed(): boolean {
    return this.#phase === 'used';
  }

  /**
   * Begins the call. An interceptor that repeats a failed call would otherwise run the handler on a released proof, beside
   * another call that has reserved it meanwhile.
   *
   * @throws TwoFactorConfirmationUsedError when the call has begun before.
   */
  beginCall(): void {
    if (this.#hasBegun) throw repeatedCallError();
    this.#hasBegun = true;
    this.#isUnderWay = true;
  }

  /** The call has ended, whatever its handler does. */
  endCall(): void {
    this.#isUnderWay = false;
  }

  /** Whether the call that holds this reservation has begun and has not ended yet. */
  get isUnderWay(): boolean {
    return this.#isUnderWay;
  }

  /** @throws TwoFactorConfirmationUsedError when the handler still runs: an interceptor timed out and repeats the call. */
  handlerBegins(): void {
    if (this.#isHandlerRunning) throw repeatedCallError();
    this.#isHandlerRunning = true;
  }

  handlerEnds(): void {
    this.#isHandlerRunning = false;
  }

  /**
   * Makes the reservation a use, with `manager` in its transaction.
   *
   * @throws TwoFactorConfirmationUsedError when the reservation is gone.
   * @throws TwoFactorConflictError when the transaction cannot see the reservation, or lost a race.
   */
  async use(manager: EntityManager | undefined): Promise<void> {
    const { id } = this.state;
    if (await this.#store.useReserved(id, this.#mark, manager)) {
      this.#phase = 'used';
      this.#usedIn = manager;
      this.#emitUsed(manager);
      return;
    }
    if (manager !== undefined && this.#phase === 'reserved') await this.#assertVisible(manager);
    throw new TwoFactorConfirmationUsedError(
      'The proof is not reserved for this call any more: the call has used it, has failed or was given up, or the ' +
        'confirmation was erased. Call use once, before the call ends.',
    );
  }

  /**
   * Ends the reservation as a use, after the call has succeeded. It never fails: a reservation whose statement fails keeps
   * its mark, and reads as used for good.
   */
  async endAsUsed(): Promise<void> {
    if (this.#phase === 'used' && this.#mayBeRolledBack()) {
      const isRolledBack = await this.#markUsed();
      if (isRolledBack) this.#emitUsed(undefined);
    } else if (this.#phase === 'reserved') {
      this.#phase = 'ended';
      await this.#markUsed();
      this.#emitUsed(undefined);
    }
  }

  /**
   * Makes the proof usable again after a failure, unless it was used in a transaction that committed. A proof whose handler
   * still runs, because an interceptor answers before it, stays reserved: the effect may be yet to come.
   */
  async release(): Promise<void> {
    if (this.#isHandlerRunning || this.#phase === 'ended' || this.#phase === 'released') return;
    this.#phase = 'released';
    const released = this.#release();
    // A transaction that was begun outside of the handler holds the row, and ends after this failure has reached its owner.
    if (!this.#isInTransaction) await released;
  }

  async #release(): Promise<void> {
    try {
      await this.#store.release(this.state.id, this.#mark);
    } catch (error) {
      this.#warn('could not be released; it stays used', error);
    }
  }

  get #isInTransaction(): boolean {
    return this.#usedIn?.queryRunner?.isTransactionActive ?? false;
  }

  /** Whether the event is still to be emitted although the transaction has ended: the handler swallowed its failure. */
  #mayBeRolledBack(): boolean {
    return this.#publisher.hasSubscribers && !this.#isEmitted && !this.#isInTransaction;
  }

  async #markUsed(): Promise<boolean> {
    try {
      return await this.#store.useReserved(this.state.id, this.#mark);
    } catch (error) {
      this.#warn('could not be marked as ended; it stays used', error);
      return false;
    }
  }

  #emitUsed(manager: EntityManager | undefined): void {
    this.#publisher.used(this.state.id, this.#binding, manager, () => {
      this.#isEmitted = true;
    });
  }

  /** A snapshot from before the reservation shows the proof unused, and no statement of that transaction can use it. */
  async #assertVisible(manager: EntityManager): Promise<void> {
    const seen = await this.#store.find(this.state.id, manager);
    if (seen === null || seen.usedAt !== null) return;
    throw new TwoFactorConflictError(
      'The transaction began before the guard reserved the proof, and cannot see that under its isolation level. Begin ' +
        'it in the handler, or use READ COMMITTED.',
    );
  }

  #warn(what: string, error: unknown): void {
    logger.warn(
      `The reserved proof ${shortId(this.state.id)} ${what}: ${messageAndCauseOf(error)}`,
    );
  }
}

function repeatedCallError(): TwoFactorConfirmationUsedError {
  return new TwoFactorConfirmationUsedError(
    'An interceptor repeats a call with a reserved proof. Repeat inside the handler instead, in a transaction.',
  );
}
