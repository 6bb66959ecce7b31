import { Injectable } from '@nestjs/common';

import { openEnvelope } from '../crypto/index.js';
import { BY_HAND } from '../errors/index.js';
import { QuotaLedger } from '../limits/index.js';
import type { ResolvedOptions } from '../options/index.js';
import { InjectTwoFactorOptions } from '../two-factor.tokens.js';
import { EventPublisher } from './event-publisher.js';
import type { ConfirmationRow } from './model/confirmation-record.entity.js';
import { ConfirmationState, type StateAccess } from './model/confirmation-state.js';
import { QuotaScopeResolver } from './model/quota-scope-resolver.js';
import { ConfirmationStore } from './store/confirmation.store.js';

/** Makes the states that applications see, and confirms one by hand for `state.confirm()`. */
@Injectable()
export class ConfirmationStates {
  readonly #access: StateAccess = {
    now: () => this.options.clock.now(),
    open: (row) =>
      row.envelope === null ? null : openEnvelope(this.options.keyRing, row.envelope, row),
    normalize: (token) => this.ledger.planner.normalize(token),
    confirmByHand: (id) => this.#confirmByHand(id),
  };

  constructor(
    private readonly store: ConfirmationStore,
    private readonly ledger: QuotaLedger,
    private readonly scopes: QuotaScopeResolver,
    private readonly publisher: EventPublisher,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {}

  stateOf(row: ConfirmationRow): ConfirmationState {
    return new ConfirmationState(row, this.#access);
  }

  /** Frees the slot of a confirmation that has ended. Failures that were counted for it still count. */
  async releasePendingSlot(row: ConfirmationRow): Promise<void> {
    await this.ledger.releaseSlot(this.scopes.scopeOf(row), row.id);
  }

  async #confirmByHand(id: string): Promise<ConfirmationRow | null> {
    const row = await this.store.confirmByHand(id);
    if (row === null) return null;
    await this.releasePendingSlot(row);
    this.publisher.confirmed(row, BY_HAND);
    return row;
  }
}
