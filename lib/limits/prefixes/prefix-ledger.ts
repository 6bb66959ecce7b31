import { TwoFactorConfigurationError, type LimitName } from '../../errors/index.js';
import type { LimitClass, ResolvedOptions } from '../../options/index.js';
import { withTimeout } from '../../with-timeout.js';
import { limitOfError } from '../quota-refusal.js';
import type { LimitStore, QuotaAddition, QuotaUsage } from '../store/limit-store.interface.js';
import { byKey } from '../store/quota-order.js';
import { Destinations } from './destinations.js';
import { PrefixCounts, type AreaCounts, type Tally } from './prefix-counts.js';

/** The quota of the messages to a prefix. */
const LIMIT: LimitName = 'sends-per-prefix';
/** A refusal reads the counters again when they are older than this: another instance may have written confirmed codes since. */
const STALE_MS = 1_000;
/** The most keys of one statement. */
const KEYS_PER_STATEMENT = 300;

/** A message, as far as its prefix is concerned. */
export interface PrefixedMessage {
  readonly way: string;
  readonly token: string;
  readonly limitClass: LimitClass;
}

/**
 * Writes and reads the counters of prefixes. Confirmed codes are added up in memory and written together: concurrent
 * confirmations of a prefix would otherwise wait for each other's lock on one row. What is lost with a process, or by a failed write, is
 * missing among the confirmed codes, so that messages are refused too early and never too late.
 */
export class PrefixLedger {
  readonly counts: PrefixCounts;
  readonly #store: LimitStore & Required<Pick<LimitStore, 'add'>>;
  /** The areas whose counters are to be read again before a refusal, and the read of them that waits for its turn. */
  readonly #talliesToRead = new Set<Tally>();
  #nextRead: Promise<void> | null = null;
  #last: Promise<unknown> = Promise.resolve();

  /** `null` where no prefix is counted. */
  static open(
    store: LimitStore,
    destinations: Destinations,
    options: ResolvedOptions,
  ): PrefixLedger | null {
    const { sendsPerPrefix } = options.limits;
    if (sendsPerPrefix === null) return null;
    const counts = new PrefixCounts(sendsPerPrefix, options);
    return new PrefixLedger(store, destinations, counts, options.databaseTimeoutMs);
  }

  private constructor(
    store: LimitStore,
    private readonly destinations: Destinations,
    counts: PrefixCounts,
    private readonly timeoutMs: number,
  ) {
    if (!canAdd(store)) {
      throw new TwoFactorConfigurationError(
        'The limitStore has no method add, which counts confirmed codes by prefix: implement LimitStore.add, or set ' +
          'limits: { sendsPerPrefix: false }.',
      );
    }
    this.#store = store;
    this.counts = counts;
  }

  /** The tallies that a message counts for; none for a message to no phone number. */
  talliesOf({ way, token, limitClass }: PrefixedMessage): Tally[] {
    const destination = this.destinations.parsedNumberOf(way, token);
    return destination === null ? [] : this.counts.talliesOf(destination, limitClass);
  }

  /** Counts a confirmed code, in memory. */
  countConfirmed(message: PrefixedMessage): void {
    for (const tally of this.talliesOf(message)) tally.confirmed += 1;
  }

  /** Counts a message that did not leave, in memory: that its code is not confirmed says nothing about its number. */
  countFailedSend(message: PrefixedMessage): void {
    for (const tally of this.talliesOf(message)) tally.failed += 1;
  }

  /**
   * Repeats a call that a prefix refused, if another instance has counted enough confirmed codes since. It waits for the store no
   * longer than a statement may take: the reads are executed one after the other, and a slow store would hold up a refusal for the
   * time of all of them.
   */
  async retryAfterRefusal<T>(message: PrefixedMessage | null, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (message === null || limitOfError(error)?.limit !== LIMIT) throw error;
      const tallies = this.talliesOf(message);
      const refresh = (): Promise<boolean> => this.#refresh(tallies);
      const isOpen = await withTimeout(this.timeoutMs, refresh).catch(() => false);
      if (!isOpen) throw error;
    }
    return work();
  }

  /**
   * Forgets what was counted for a prefix in the current window: its messages, and the codes and failures that they are judged by.
   *
   * @returns how many messages were counted.
   */
  async reset(prefix: string): Promise<number> {
    return this.#inTurn(async () => {
      const keys = this.counts.keysOf(prefix);
      const sent = keys.map((each) => each.sent).toSorted();
      const counted = await this.#store.read(sent);
      // Two calls, because no other statement locks the counters of messages together with those of confirmed codes.
      await this.#store.release(sent);
      await this.#store.release(keys.flatMap((each) => [each.confirmed, each.failed]).toSorted());
      this.counts.forget(prefix);
      // Each message is counted under each secret.
      return Math.max(0, ...counted.map(({ amount }) => amount));
    });
  }

  /**
   * Writes what was counted since the last round, reads what other instances have counted, and judges the areas that were used.
   *
   * @returns the tallies of areas that have too few confirmed codes and were not returned in this window before.
   */
  async round(): Promise<Tally[]> {
    return this.#inTurn(() => this.#runRound());
  }

  async #runRound(): Promise<Tally[]> {
    const used = this.counts.takeUsed();
    await this.#write(used.filter(({ confirmed, failed }) => confirmed + failed > 0));
    await this.#read(used);
    const suspects = used.filter((tally) => !tally.isReported && this.counts.isSuspect(tally));
    for (const tally of suspects) tally.isReported = true;
    return suspects;
  }

  async #write(tallies: readonly Tally[]): Promise<void> {
    for (const part of inParts(tallies, (tally) => tally.keys.length * 2)) {
      const written = part.map((tally) => ({
        tally,
        confirmed: tally.confirmed,
        failed: tally.failed,
      }));
      const additions = written.flatMap(({ tally, confirmed, failed }) =>
        tally.keys.flatMap((keys): QuotaAddition[] => [
          { key: keys.confirmed, amount: confirmed, endsAt: tally.endsAt },
          { key: keys.failed, amount: failed, endsAt: tally.endsAt },
        ]),
      );
      let isWritten = false;
      try {
        await this.#store.add(additions.filter(({ amount }) => amount > 0).toSorted(byKey));
        isWritten = true;
      } finally {
        // After an error it is unknown whether they were written. Counting them twice would allow too much.
        for (const { tally, confirmed, failed } of written) {
          tally.confirmed -= confirmed;
          tally.failed -= failed;
          if (isWritten) addStored(tally, confirmed, failed);
        }
      }
    }
  }

  async #read(tallies: readonly Tally[]): Promise<void> {
    for (const part of inParts(tallies, (tally) => tally.keys.length * 3)) {
      const keys = part.flatMap((tally) =>
        tally.keys.flatMap(({ sent, confirmed, failed }) => [sent, confirmed, failed]),
      );
      const usages = new Map(
        (await this.#store.read(keys)).map((usage): [string, QuotaUsage] => [usage.key, usage]),
      );
      const amountOf = (key: string): number => usages.get(key)?.amount ?? 0;
      for (const tally of part) {
        tally.readAt = performance.now();
        // Another instance has reset the prefix, which may be attacked once more.
        if (amountOf(tally.keys[0]!.sent) < (tally.stored[0]?.sent ?? 0)) tally.isReported = false;
        tally.stored = tally.keys.map(({ sent, confirmed, failed }): AreaCounts => ({
          sent: amountOf(sent),
          confirmed: amountOf(confirmed),
          failed: amountOf(failed),
        }));
      }
    }
  }

  /** Whether all of the areas may get another message, by counters that are not older than `STALE_MS`. */
  async #refresh(tallies: readonly Tally[]): Promise<boolean> {
    const stale = tallies.filter(isStale);
    if (stale.length === 0) return false;
    await this.#readSoon(stale);
    return tallies.every((tally) =>
      tally.stored.every(({ sent }, index) => sent < this.counts.ruleOf(tally, index).max),
    );
  }

  /**
   * One read for all areas that are asked for until its turn comes. With a read for each area, a client whose numbers have many prefixes
   * would let the refusals of other clients, the rounds and the shutdown wait for all of its reads.
   */
  #readSoon(tallies: readonly Tally[]): Promise<void> {
    for (const tally of tallies) this.#talliesToRead.add(tally);
    this.#nextRead ??= this.#inTurn(() => {
      this.#nextRead = null;
      const wanted = [...this.#talliesToRead].filter(isStale);
      this.#talliesToRead.clear();
      return this.#read(wanted);
    });
    return this.#nextRead;
  }

  /** Runs reads and writes one after the other: a read between a write and its bookkeeping would make a round count twice what it has written. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

function canAdd(store: LimitStore): store is LimitStore & Required<Pick<LimitStore, 'add'>> {
  return store.add !== undefined;
}

function isStale({ readAt }: Tally): boolean {
  return performance.now() - readAt > STALE_MS;
}

function addStored(tally: Tally, confirmed: number, failed: number): void {
  tally.stored = tally.stored.map((counts) => ({
    sent: counts.sent,
    confirmed: counts.confirmed + confirmed,
    failed: counts.failed + failed,
  }));
}

/** Parts that need at most `KEYS_PER_STATEMENT` keys each. */
function* inParts(tallies: readonly Tally[], keysOf: (tally: Tally) => number): Generator<Tally[]> {
  let part: Tally[] = [];
  let keys = 0;
  for (const tally of tallies) {
    if (keys + keysOf(tally) > KEYS_PER_STATEMENT && part.length > 0) {
      yield part;
      [part, keys] = [[], 0];
    }
    part.push(tally);
    keys += keysOf(tally);
  }
  if (part.length > 0) yield part;
}
