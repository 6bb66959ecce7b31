import { setTimeout as sleep } from 'node:timers/promises';

import {
  Inject,
  Injectable,
  Logger,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';

import {
  expectInput,
  inputMembers,
  messageAndCauseOf,
  TwoFactorInputError,
} from '../../errors/index.js';
import { jitteredTimer } from '../../jittered-timer.js';
import { QuotaLedger } from '../../limits/index.js';
import { DEFAULTS, type ResolvedOptions } from '../../options/index.js';
import { InjectTwoFactorOptions } from '../../two-factor.tokens.js';
import { DELIVERY_UPKEEP, type DeliveryUpkeep } from '../model/delivery-upkeep.js';
import { FACTOR_UPKEEP, type FactorUpkeep } from '../model/factor-upkeep.js';
import { parseBatchSize } from '../model/parse-input.js';
import { ConfirmationStore } from '../store/confirmation.store.js';

/** What `purge` takes. */
export interface PurgeInput {
  /** Deletes what could neither be confirmed nor used since then. @default now, less `autoPurge.keepSeconds` (1 day) */
  readonly olderThan?: Date | undefined;
  /** Rows a statement, 1 to 1,000. @default 500 */
  readonly batchSize?: number | undefined;
  /**
   * Part of the time in which the database works on it, 0.01 to 1, which does not rest; the other part is left to the
   * load. @default 0.2
   */
  readonly dutyCycle?: number | undefined;
  /** When it is aborted, no further batch is started, and the pause between two batches ends immediately. */
  readonly signal?: AbortSignal | undefined;
}

const MEMBERS = inputMembers<PurgeInput>({
  olderThan: true,
  batchSize: true,
  dutyCycle: true,
  signal: true,
});
/** Even if a batch occupied the whole database, the load would keep four fifths of its throughput. */
const DEFAULT_DUTY_CYCLE = 0.2;
const MIN_DUTY_CYCLE = 0.01;
/** Quotas have no order by age, so that all of them are read in turn; a round continues where the last one stopped. */
const QUOTA_BATCHES_PER_ROUND = 20;

/** Deletes dead rows, on demand and in the background. Rows that an interrupted round leaves are deleted by the next one. */
@Injectable()
export class PurgeService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #logger = new Logger(PurgeService.name);
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> = Promise.resolve();

  /** @internal It is injected. */
  constructor(
    private readonly store: ConfirmationStore,
    private readonly ledger: QuotaLedger,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
    @Inject(FACTOR_UPKEEP) private readonly factors: FactorUpkeep | null = null,
    @Inject(DELIVERY_UPKEEP) private readonly deliveries: DeliveryUpkeep | null = null,
  ) {}

  onApplicationBootstrap(): void {
    this.#schedule();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.#stop.abort();
    clearTimeout(this.#timer);
    await this.#round;
  }

  /**
   * Deletes confirmations, failed messages, ended enrolments, expired devices, and quotas without usage.
   *
   * @returns how many confirmations were deleted.
   */
  async purge(input: PurgeInput = {}): Promise<number> {
    expectInput('purge', input, MEMBERS);
    return this.#purge(input, Number.POSITIVE_INFINITY);
  }

  async #purge(
    { olderThan, batchSize: givenSize, dutyCycle = DEFAULT_DUTY_CYCLE, signal }: PurgeInput,
    limitBatches: number,
  ): Promise<number> {
    if (olderThan !== undefined && !(olderThan instanceof Date)) {
      throw new TwoFactorInputError('olderThan is not a Date.');
    }
    const before = olderThan?.getTime() ?? this.#defaultCutoff();
    if (!Number.isSafeInteger(before) || before < 0)
      throw new TwoFactorInputError('olderThan is not a valid date.');
    const batchSize = parseBatchSize(givenSize);
    if (typeof dutyCycle !== 'number' || !(dutyCycle >= MIN_DUTY_CYCLE && dutyCycle <= 1)) {
      throw new TwoFactorInputError(`dutyCycle is a number from ${MIN_DUTY_CYCLE} to 1.`);
    }
    // Nothing that is still alive is ever older than now.
    const bound = Math.min(before, this.options.clock.now());
    const { deliveries } = this;
    // Before the confirmations: their ids may come again, and the rows of old messages would be in the way.
    if (deliveries !== null) {
      await inBatches(dutyCycle, signal, () => deliveries.purge(bound, batchSize));
    }
    let purged = 0;
    let after = '';
    await inBatches(dutyCycle, signal, async () => {
      const { affected, end } = await this.store.purge(bound, batchSize, after);
      purged += affected;
      after = end ?? after;
      // Another instance has deleted all rows of this batch, and one purging instance is enough.
      return end !== null && affected > 0;
    });
    await this.#purgeEnrolments({ batchSize, dutyCycle, signal }, limitBatches);
    let batches = 0;
    await inBatches(dutyCycle, signal, async () => {
      batches += 1;
      return (await this.ledger.purge(batchSize)) && batches < limitBatches;
    });
    return purged;
  }

  async #purgeEnrolments(
    {
      batchSize,
      dutyCycle,
      signal,
    }: Required<Pick<PurgeInput, 'batchSize' | 'dutyCycle'>> & Pick<PurgeInput, 'signal'>,
    limitBatches: number,
  ): Promise<void> {
    const { factors } = this;
    if (factors === null) return;
    for (const { after: start, until } of factors.windows(!Number.isFinite(limitBatches))) {
      let after = start;
      await inBatches(dutyCycle!, signal, async () => {
        const { affected, end } = await factors.purge(batchSize!, { after, until });
        after = end ?? after;
        return end !== null && affected > 0;
      });
    }
  }

  #defaultCutoff(): number {
    const { autoPurge, clock } = this.options;
    const keepSeconds = autoPurge ? autoPurge.keepSeconds : DEFAULTS.autoPurge.keepSeconds;
    return Math.max(0, clock.now() - keepSeconds * 1_000);
  }

  #schedule(): void {
    const { autoPurge } = this.options;
    if (!autoPurge || this.#stop.signal.aborted) return;
    this.#timer = jitteredTimer(autoPurge.everySeconds * 1_000, () => {
      this.#round = this.#runRound();
    });
  }

  async #runRound(): Promise<void> {
    try {
      const purged = await this.#purge({ signal: this.#stop.signal }, QUOTA_BATCHES_PER_ROUND);
      if (purged > 0) this.#logger.debug(`Purged ${purged} confirmations.`);
    } catch (error) {
      this.#logger.warn(`The purge failed and will be repeated: ${messageAndCauseOf(error)}`);
    }
    this.#schedule();
  }
}

/** Repeats `batch` while it returns true, and rests after each so that it works in `dutyCycle` of the time. */
async function inBatches(
  dutyCycle: number,
  signal: AbortSignal | undefined,
  batch: () => Promise<boolean>,
): Promise<void> {
  for (;;) {
    if (signal?.aborted) return;
    const startedAt = performance.now();
    if (!(await batch())) return;
    const restMs = (performance.now() - startedAt) * (1 / dutyCycle - 1);
    try {
      await sleep(restMs, undefined, { signal });
    } catch {
      // The signal was aborted during the pause.
      return;
    }
  }
}
