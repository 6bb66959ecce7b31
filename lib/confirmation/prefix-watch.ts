import {
  Injectable,
  Logger,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
  type OnModuleInit,
} from '@nestjs/common';

import { messageAndCauseOf } from '../errors/index.js';
import { jitteredTimer } from '../jittered-timer.js';
import { QuotaLedger } from '../limits/index.js';
import { EventPublisher } from './event-publisher.js';
import type { ConfirmationRow } from './model/confirmation-record.entity.js';
import { QuotaScopeResolver } from './model/quota-scope-resolver.js';

const ROUND_MS = 5_000;

/**
 * Watches the prefixes of phone numbers for toll fraud: adds up the confirmed codes in memory, writes them every few seconds, and
 * reports prefixes with too few of them. Without senders that have rules for phone numbers it does nothing.
 */
@Injectable()
export class PrefixWatch
  implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown
{
  readonly #logger = new Logger(PrefixWatch.name);
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(
    private readonly ledger: QuotaLedger,
    private readonly scopes: QuotaScopeResolver,
    private readonly publisher: EventPublisher,
  ) {}

  /** @throws when the rules cannot load what they need, such as a package that is not installed. */
  async onModuleInit(): Promise<void> {
    await this.ledger.destinations.prepare();
  }

  onApplicationBootstrap(): void {
    this.#schedule();
  }

  /** Writes the counts of the phone prefixes that are still in memory. Codes that are confirmed later are missing from them. */
  async beforeApplicationShutdown(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.round();
  }

  /** Counts a code that a person has received and typed. */
  confirmed(row: ConfirmationRow): void {
    const { prefixes } = this.ledger;
    if (prefixes === null || row.sends === 0) return;
    const message = this.ledger.planner.prefixedMessage(this.scopes.scopeOf(row), row.way);
    if (message !== null) prefixes.countConfirmed(message);
  }

  /** Counts a message that certainly did not leave, so that an outage of a provider is not taken for fraud. */
  failed(row: ConfirmationRow): void {
    const { prefixes } = this.ledger;
    if (prefixes === null) return;
    const message = this.ledger.planner.prefixedMessage(this.scopes.scopeOf(row), row.way);
    if (message !== null) prefixes.countFailedSend(message);
  }

  /**
   * Writes the counts that are in memory to the store, and reports the prefixes with too few confirmed codes. It never throws:
   * confirmed codes that were not written are forgotten, so that messages may be refused too early and never too late.
   */
  async round(): Promise<void> {
    const { prefixes } = this.ledger;
    if (prefixes === null) return;
    try {
      for (const tally of await prefixes.round())
        this.publisher.tollFraudSuspected(tally, prefixes);
    } catch (error) {
      this.#logger.warn(
        `The confirmed codes of some prefixes were not written, and are not counted: ${messageAndCauseOf(error)}`,
      );
    }
  }

  #schedule(): void {
    if (this.ledger.prefixes === null || this.#isStopped) return;
    this.#timer = jitteredTimer(ROUND_MS, () => void this.#repeat());
  }

  async #repeat(): Promise<void> {
    await this.round();
    this.#schedule();
  }
}
