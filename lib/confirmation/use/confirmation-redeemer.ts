import { Inject, Injectable, Logger } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import { expectInput, inputMembers, messageOf, TwoFactorCallError } from '../../errors/index.js';
import type { ResolvedOptions } from '../../options/index.js';
import { InjectTwoFactorOptions } from '../../two-factor.tokens.js';
import { ConfirmationStates } from '../confirmation-states.js';
import { EventPublisher } from '../event-publisher.js';
import { parseBinding, parseSubject } from '../model/binding.js';
import { bindingMacs, matchesBinding } from '../model/binding-match.js';
import type { ConfirmationRow } from '../model/confirmation-record.entity.js';
import { FACTOR_UPKEEP, type FactorUpkeep } from '../model/factor-upkeep.js';
import type { CheckInput, ConfirmationResult, UseInput } from '../model/inputs.interface.js';
import { parseConfirmedBy } from '../model/methods.js';
import { parseIdempotencyKey } from '../model/parse-input.js';
import { allowedSenders } from '../model/ways.js';
import { ConfirmationStore, type UseValues } from '../store/confirmation.store.js';
import {
  explainRefusal,
  hasAllowedSender,
  isConfirmedAsAsked,
  type ParsedCheck,
  type ProofRefusal,
} from './proof-refusal.js';
import { asUnreserved, newReservationMark, ProofReservation } from './proof-reservation.js';
import type { ProofSpending } from './proof-spending.js';

const CHECK = {
  purpose: true,
  subject: true,
  details: true,
  senders: true,
  confirmedBy: true,
} as const;
const CHECK_MEMBERS = inputMembers<CheckInput>(CHECK);
const USE_MEMBERS = inputMembers<UseInput>({ ...CHECK, manager: true, idempotencyKey: true });
const ERASE_MEMBERS = inputMembers<{ subject: string }>({ subject: true });
const NO_METHODS: readonly string[] = Object.freeze([]);

/** Checks proofs, uses each of them once, and cancels and erases confirmations. */
@Injectable()
export class ConfirmationRedeemer {
  readonly #logger = new Logger('ConfirmerService');

  constructor(
    private readonly store: ConfirmationStore,
    private readonly states: ConfirmationStates,
    private readonly publisher: EventPublisher,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
    @Inject(FACTOR_UPKEEP) private readonly factors: FactorUpkeep | null = null,
  ) {}

  async check(id: string, input: CheckInput | undefined): Promise<ConfirmationResult> {
    if (input !== undefined) expectInput('check', input, CHECK_MEMBERS);
    const expected = input === undefined ? null : this.#parseCheck(input);
    const row = await this.store.find(id);
    if (row === null || (expected && !this.#matches(row, expected))) return [null, false];
    const state = this.states.stateOf(row);
    // A proof that was bound under a removed secret can never be used.
    const isBound = this.options.keyRing.keyOf(row.detailsMac) !== undefined;
    return [state, isBound && state.status === 'confirmed'];
  }

  async use(id: string, input: UseInput): Promise<boolean> {
    expectInput('use', input, USE_MEMBERS);
    const { manager } = input;
    const check = this.#parseCheck(input);
    const key =
      input.idempotencyKey === undefined ? null : parseIdempotencyKey(input.idempotencyKey);
    if (key !== null && manager !== undefined) {
      throw new TwoFactorCallError(
        'Give idempotencyKey or manager. Inside a transaction, let the row of the effect carry the confirmation id, unique.',
      );
    }
    if (await this.store.use(this.#useValues(id, check, key), manager)) {
      this.publisher.used(id, check.binding, manager);
      return true;
    }
    const isNeeded = key !== null || this.publisher.hasSubscribers;
    if (!isNeeded) {
      await this.#logRefusal(id, check, manager);
      return false;
    }
    const row = await this.store.find(id, manager);
    if (key === null || row?.useKey !== key) this.#debugRefusal(this.#explain(id, row, check));
    if (row === null || row.usedAt === null || !this.#matches(row, check)) return false;
    // An earlier call with this key may have used the proof, and lost the answer.
    if (key !== null && row.useKey === key) return true;
    this.publisher.reuseRefused(row);
    return false;
  }

  /** Uses the proof, as `use` does, in the first statements of a transaction in which this package also changes the factors. */
  spending(id: string, input: CheckInput): ProofSpending {
    const check = this.#parseCheck(input);
    const values = this.#useValues(id, check, null);
    return {
      spend: () => this.store.useSteps(values),
      committed: () => this.publisher.used(id, check.binding, undefined),
      refused: async () => {
        const row = await this.store.find(id);
        if (row !== null && row.usedAt !== null && this.#matches(row, check)) {
          this.publisher.reuseRefused(row);
        }
        return this.#explain(id, row, check);
      },
    };
  }

  /** Why a proof was refused. The row is read after the refusal, so that the proof may have become usable in between. */
  async explain(id: string, input: CheckInput): Promise<ProofRefusal> {
    return this.#explain(id, await this.store.find(id), this.#parseCheck(input));
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
    expectInput('erase', input, ERASE_MEMBERS);
    const subject = parseSubject(input.subject);
    // First, so that a repeated call after a failure still finds what is left.
    await this.factors?.erase(subject);
    return this.store.erase(subject);
  }

  #parseCheck(input: CheckInput): ParsedCheck {
    const binding = parseBinding(input);
    const { senders: declared, methods } = this.options.purposes.get(binding.purpose) ?? {};
    return {
      binding,
      ways: allowedSenders(declared, input.senders),
      confirmedBy: parseConfirmedBy(input.confirmedBy),
      // The senders that a purpose declares restrict its sent codes only: its other methods send nothing, and are accepted. A
      // call that names senders itself accepts a sent code only.
      methodsWithoutSender:
        methods === undefined || input.senders !== undefined
          ? NO_METHODS
          : [...this.options.methods.keys()],
    };
  }

  #useValues(id: string, check: ParsedCheck, useKey: string | null): UseValues {
    const { binding, ways, confirmedBy, methodsWithoutSender } = check;
    const { purpose, subject } = binding;
    const detailsMacs = bindingMacs(this.options.keyRing, id, binding);
    return { id, purpose, subject, detailsMacs, useKey, ways, confirmedBy, methodsWithoutSender };
  }

  #explain(id: string, row: ConfirmationRow | null, check: ParsedCheck): ProofRefusal {
    return explainRefusal(id, row, check, this.options.keyRing, this.options.clock.now());
  }

  /** Reads the row for the debug log alone. A read that fails must not turn the refusal into an error. */
  async #logRefusal(
    id: string,
    check: ParsedCheck,
    manager: EntityManager | undefined,
  ): Promise<void> {
    if (!Logger.isLevelEnabled('debug')) return;
    try {
      this.#debugRefusal(this.#explain(id, await this.store.find(id, manager), check));
    } catch (error) {
      this.#logger.debug(`A use was refused. The reason cannot be read: ${messageOf(error)}`);
    }
  }

  #debugRefusal({ reason }: ProofRefusal): void {
    this.#logger.debug(`A use was refused. ${reason}`);
  }

  /** Whether the proof could be used for this check. The rules are those of the statements of `use`. */
  #matches(row: ConfirmationRow, check: ParsedCheck): boolean {
    return (
      isConfirmedAsAsked(row, check) &&
      hasAllowedSender(row, check) &&
      matchesBinding(this.options.keyRing, row, check.binding)
    );
  }
}
