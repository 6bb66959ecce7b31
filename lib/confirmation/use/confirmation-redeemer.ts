import { Injectable } from '@nestjs/common';

import { TwoFactorInputError } from '../../errors/index.js';
import type { ResolvedOptions } from '../../options/index.js';
import { InjectTwoFactorOptions } from '../../two-factor.tokens.js';
import { ConfirmationStates } from '../confirmation-states.js';
import { EventPublisher } from '../event-publisher.js';
import { parseBinding, parseSubject, type StoredBinding } from '../model/binding.js';
import { bindingMacs, matchesBinding } from '../model/binding-match.js';
import type { ConfirmationRow } from '../model/confirmation-record.entity.js';
import type { CheckInput, ConfirmationResult, UseInput } from '../model/inputs.interface.js';
import { assertInput, parseKey } from '../model/parse-input.js';
import { allowedWays } from '../model/ways.js';
import { ConfirmationStore, type UseValues } from '../store/confirmation.store.js';
import { asUnreserved, newReservationMark, ProofReservation } from './proof-reservation.js';

/** What a proof must be for, and by which ways its code must have gone out; `null` for any. */
interface ParsedCheck {
  readonly binding: StoredBinding;
  readonly ways: readonly string[] | null;
}

/** Checks proofs, uses each of them once, and cancels and erases confirmations. */
@Injectable()
export class ConfirmationRedeemer {
  constructor(
    private readonly store: ConfirmationStore,
    private readonly states: ConfirmationStates,
    private readonly publisher: EventPublisher,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {}

  async check(id: string, input: CheckInput | undefined): Promise<ConfirmationResult> {
    const expected = input === undefined ? null : this.#parseCheck(assertInput('check', input));
    const row = await this.store.find(id);
    if (row === null || (expected && !this.#matches(row, expected))) return [null, false];
    const state = this.states.stateOf(row);
    // A proof that was bound under a removed secret can never be used.
    const isBound = this.options.keyRing.keyOf(row.detailsMac) !== undefined;
    return [state, isBound && state.status === 'confirmed'];
  }

  async use(id: string, input: UseInput): Promise<boolean> {
    const { manager } = assertInput('use', input);
    const check = this.#parseCheck(input);
    const key = input.idempotencyKey === undefined ? null : parseKey(input.idempotencyKey);
    if (key !== null && manager !== undefined) {
      throw new TwoFactorInputError(
        'Give key or manager. Inside a transaction, let the row of the effect carry the confirmation id, unique.',
      );
    }
    if (await this.store.use(this.#useValues(id, check, key), manager)) {
      this.publisher.used(id, check.binding, manager);
      return true;
    }
    if (key === null && !this.publisher.hasSubscribers) return false;
    const row = await this.store.find(id, manager);
    if (row === null || row.usedAt === null || !this.#matches(row, check)) return false;
    // An earlier call with this key may have used the proof, and lost the answer.
    if (key !== null && row.useKey === key) return true;
    this.publisher.reuseRefused(row);
    return false;
  }

  /** Uses the proof for a call that may still fail; `null` when the proof was refused. */
  async reserve(id: string, input: CheckInput): Promise<ProofReservation | null> {
    const check = this.#parseCheck(input);
    const mark = newReservationMark();
    const row = await this.store.reserve(this.#useValues(id, check, mark));
    if (row !== null) {
      const state = this.states.stateOf(asUnreserved(row));
      return new ProofReservation(state, mark, check.binding, this.store, this.publisher);
    }
    const refused = this.publisher.hasSubscribers ? await this.store.find(id) : null;
    if (refused !== null && refused.usedAt !== null && this.#matches(refused, check)) {
      this.publisher.reuseRefused(refused);
    }
    return null;
  }

  async cancel(id: string): Promise<boolean> {
    const row = await this.store.cancel(id);
    if (row === null) return false;
    await this.states.releasePendingSlot(row);
    return true;
  }

  async erase(input: { readonly subject: string }): Promise<number> {
    return this.store.erase(parseSubject(assertInput('erase', input).subject));
  }

  #parseCheck(input: CheckInput): ParsedCheck {
    const binding = parseBinding(input);
    const declared = this.options.purposes.get(binding.purpose)?.senders;
    return { binding, ways: allowedWays(declared, input.senders) };
  }

  #useValues(id: string, { binding, ways }: ParsedCheck, useKey: string | null): UseValues {
    const { purpose, subject } = binding;
    const macs = bindingMacs(this.options.keyRing, id, binding);
    return { id, purpose, subject, detailsMacs: macs, useKey, ways };
  }

  #matches(row: ConfirmationRow, { binding, ways }: ParsedCheck): boolean {
    return matchesBinding(this.options.keyRing, row, binding, ways);
  }
}
