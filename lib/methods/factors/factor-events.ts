import { Logger } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import type { AfterCommit } from '../../database/index.js';
import { messageOf } from '../../errors/index.js';
import type { FactorEventBase, TwoFactorEvent, TwoFactorEvents } from '../../events/index.js';
import type { ResolvedOptions } from '../../options/index.js';
import type { FactorMethodName } from './factor-method.js';
import type { FactorRow } from './factor-record.entity.js';

type Facts = Pick<FactorRow, 'id' | 'method' | 'subject'>;

/** Publishes the events about factors, after the commit of what they report. */
export class FactorEvents {
  readonly #logger = new Logger(FactorEvents.name);

  constructor(
    private readonly events: TwoFactorEvents,
    private readonly afterCommit: AfterCommit,
    private readonly options: Pick<ResolvedOptions, 'clock'>,
  ) {}

  enrolled(factor: Facts, manager: EntityManager | undefined): void {
    this.#publish(manager, () => ({ type: 'factor-enrolled', ...this.#facts(factor) }));
  }

  activated(factor: Facts, isImported: boolean, manager: EntityManager | undefined): void {
    this.#publish(manager, () => ({
      type: 'factor-activated',
      isImported,
      ...this.#facts(factor),
    }));
  }

  removed(factors: readonly Facts[], manager: EntityManager | undefined): void {
    for (const factor of factors) {
      this.#publish(manager, () => ({ type: 'factor-removed', ...this.#facts(factor) }));
    }
  }

  recoveryCodesRegenerated(factor: Facts, count: number, manager: EntityManager | undefined): void {
    this.#publish(manager, () => ({
      type: 'recovery-codes-regenerated',
      count,
      ...this.#facts(factor),
    }));
  }

  remembered(factor: Facts, expiresAt: Date, manager: EntityManager | undefined): void {
    this.#publish(manager, () => ({
      type: 'device-remembered',
      expiresAt,
      ...this.#facts(factor),
    }));
  }

  /** Begins work that never rejects when the transaction of the manager has committed. After a rollback it does not happen. */
  onCommit(manager: EntityManager, work: () => Promise<void>): void {
    this.afterCommit.run(manager, () => void work());
  }

  /** The passkey may have been copied from its authenticator. */
  copySuspected(factor: Facts): void {
    this.#logger.warn(
      'The counter of a passkey went backwards: it may have been copied. Tell the person, and remove the passkey.',
    );
    this.#publish(undefined, () => ({ type: 'passkey-copy-suspected', ...this.#facts(factor) }));
  }

  /** @param left reads the factors that are left, which are needed for the event alone. */
  async consumed(factor: FactorRow, left: () => Promise<readonly FactorRow[]>): Promise<void> {
    if (!this.events.isObserved) return;
    let factors: readonly FactorRow[];
    try {
      factors = (await left()).filter(({ method }) => method === factor.method);
    } catch (error) {
      // The code has confirmed already. The call must not fail because of its event.
      this.#logger.warn(`An event was lost: ${messageOf(error)}`);
      return;
    }
    this.#publish(undefined, () => ({
      type: 'recovery-code-used',
      left: factors.length,
      ...this.#facts(factor),
    }));
  }

  #publish(manager: EntityManager | undefined, create: () => TwoFactorEvent): void {
    if (this.events.isObserved) this.afterCommit.run(manager, () => this.events.emit(create));
  }

  #facts({ id, method, subject }: Facts): FactorEventBase {
    const at = new Date(this.options.clock.now());
    return { at, subject, method: method as FactorMethodName, factor: id };
  }
}
