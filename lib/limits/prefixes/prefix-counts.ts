import { limitKey, type KeyRing } from '../../crypto/index.js';
import type {
  ParsedNumber,
  LimitClass,
  ResolvedLimits,
  ResolvedOptions,
} from '../../options/index.js';
import type { WindowRule } from '../store/limit-store.interface.js';

/**
 * The most areas that one instance knows. Beyond it those that are unused for longest are forgotten, unless they have counts that
 * are not written. The counts of a forgotten area are read again when a message to it is refused.
 */
const MAX_AREAS = 10_000;
const CLASSES: readonly LimitClass[] = ['open', 'bound'];
/** A maximum that refuses no message. Fits the integers of every store. */
const UNLIMITED = 2 ** 31 - 1;

type PrefixRule = NonNullable<ResolvedLimits['sendsPerPrefix']>;

/** What is counted together: the numbers of a prefix, or all of a country, by class. */
export interface Area {
  readonly limitClass: LimitClass;
  readonly country: string;
  /** `+380501`; `null` for all numbers of the country, which are reported and never refused. */
  readonly prefix: string | null;
}

/** The counters of an area in a window, under one secret. */
export interface AreaKeys {
  /** Counts the messages: each consumes one unit of it together with the other quotas of the message. */
  readonly sent: string;
  readonly confirmed: string;
  /** Counts the messages that certainly did not leave. */
  readonly failed: string;
}

/** What the counters of an area say in one window. */
export interface AreaCounts {
  readonly sent: number;
  readonly confirmed: number;
  readonly failed: number;
}

const NO_COUNTS: AreaCounts = { sent: 0, confirmed: 0, failed: 0 };

/** An area in one window, as this instance knows it. */
export interface Tally {
  readonly area: Area;
  /** When the window ends, epoch milliseconds. */
  readonly endsAt: number;
  /** One for each secret of the ring, that of the signing secret first. */
  readonly keys: readonly AreaKeys[];
  /** The counts that were last read from the store, in the order of `keys`. */
  stored: readonly AreaCounts[];
  /** What this instance has counted and not yet written to the store. */
  confirmed: number;
  failed: number;
  /** Whether this tally was read or counted since the last round of `PrefixLedger`, which reads and judges only such tallies again. */
  isUsed: boolean;
  isReported: boolean;
  /** When the store was asked last, in milliseconds of `performance.now()`. */
  readAt: number;
}

/**
 * Messages and confirmed codes by prefix and country, as one instance knows them. The messages are counted by the store, with the
 * other quotas of a message; how many are allowed follows from the confirmed codes that this instance knows of. It may know too
 * few of them, never too many, so that it errs on the side of the costs.
 */
export class PrefixCounts {
  readonly #tallies = new Map<string, Tally>();
  readonly #keyRing: KeyRing;

  constructor(
    readonly rule: PrefixRule,
    private readonly options: Pick<ResolvedOptions, 'clock' | 'keyRing'>,
  ) {
    this.#keyRing = options.keyRing;
  }

  /** The tallies of the current window that a message to a number counts for. */
  talliesOf(
    { country, callingCode, nationalNumber }: ParsedNumber,
    limitClass: LimitClass,
  ): Tally[] {
    const prefix = `+${callingCode}${nationalNumber.slice(0, this.rule.prefixDigits)}`;
    return [
      this.#tallyOf({ limitClass, country, prefix }),
      this.#tallyOf({ limitClass, country, prefix: null }),
    ];
  }

  /** The counters of a prefix in the current window, of both classes and under each secret. */
  keysOf(prefix: string): AreaKeys[] {
    const { windowMs } = this.rule;
    const window = Math.floor(this.options.clock.now() / windowMs);
    return CLASSES.flatMap((limitClass) =>
      this.#keysOf([String(windowMs), String(window), limitClass, 'prefix', prefix]),
    );
  }

  /** Begins anew for a prefix whose counters were deleted: it is judged, and reported, as if none of its messages had been sent. */
  forget(prefix: string): void {
    for (const tally of this.#tallies.values()) {
      if (tally.area.prefix !== prefix) continue;
      tally.stored = tally.keys.map(() => NO_COUNTS);
      tally.isReported = false;
    }
  }

  /** How many messages the area may get in its window, by its counts under the `index`-th secret of the ring. */
  ruleOf(tally: Tally, index: number): WindowRule {
    const isDenied = this.rule.mode === 'deny' && tally.area.prefix !== null;
    const max = isDenied ? this.#allowed(tally, tally.stored[index] ?? NO_COUNTS) : UNLIMITED;
    // All instances begin and end a window together: the key names it.
    return { kind: 'window', max, windowMs: Math.max(1, tally.endsAt - this.options.clock.now()) };
  }

  /** Whether too few of the codes of an area are confirmed, by the counters of the signing secret. */
  isSuspect(tally: Tally): boolean {
    const { sent, confirmed, failed } = this.countsOf(tally);
    const arrived = sent - failed;
    return arrived >= this.rule.min && confirmed < arrived * this.rule.ratio;
  }

  /** The counts under the signing secret, with those of this instance that are not written yet. */
  countsOf({ stored, confirmed, failed }: Tally): AreaCounts {
    const known = stored[0] ?? NO_COUNTS;
    return {
      sent: known.sent,
      confirmed: known.confirmed + confirmed,
      failed: known.failed + failed,
    };
  }

  /** The tallies that were used since the last call, or have counts that are not written. Those of past windows are forgotten. */
  takeUsed(): Tally[] {
    const now = this.options.clock.now();
    const used: Tally[] = [];
    for (const [name, tally] of this.#tallies) {
      if (tally.endsAt <= now) this.#tallies.delete(name);
      else if (tally.isUsed || tally.confirmed + tally.failed > 0) used.push(tally);
      tally.isUsed = false;
    }
    return used;
  }

  /**
   * How many messages are allowed. A message is allowed while there are fewer than `min` before it, or while the codes of at least the
   * share `ratio` of the messages before it are confirmed. Messages that failed do not count.
   */
  #allowed({ confirmed, failed }: Tally, stored: AreaCounts): number {
    const { min, ratio } = this.rule;
    const proven = Math.floor((stored.confirmed + confirmed) / ratio) + 1;
    return Math.min(Math.max(min, proven) + stored.failed + failed, UNLIMITED);
  }

  #tallyOf(area: Area): Tally {
    const { windowMs } = this.rule;
    const window = Math.floor(this.options.clock.now() / windowMs);
    const { limitClass, country, prefix } = area;
    const names = [limitClass, prefix === null ? 'country' : 'prefix', prefix ?? country];
    const name = `${window} ${names.join(' ')}`;
    const known = this.#tallies.get(name);
    const tally =
      known ?? this.#newTally(area, window, [String(windowMs), String(window), ...names]);
    tally.isUsed = true;
    // Moves it to the end, so that an area that is used all the time is not forgotten.
    this.#tallies.delete(name);
    this.#tallies.set(name, tally);
    if (this.#tallies.size > MAX_AREAS) this.#forgetOldest();
    return tally;
  }

  #newTally(area: Area, window: number, names: readonly string[]): Tally {
    const keys = this.#keysOf(names);
    return {
      area,
      endsAt: (window + 1) * this.rule.windowMs,
      keys,
      stored: keys.map(() => NO_COUNTS),
      confirmed: 0,
      failed: 0,
      isUsed: true,
      isReported: false,
      readAt: Number.NEGATIVE_INFINITY,
    };
  }

  #keysOf(names: readonly string[]): AreaKeys[] {
    return this.#keyRing.keys.map((ringKey) => ({
      sent: limitKey(ringKey, 'sends-per-prefix', ...names),
      confirmed: limitKey(ringKey, 'confirmed-per-prefix', ...names),
      failed: limitKey(ringKey, 'failed-per-prefix', ...names),
    }));
  }

  /**
   * Forgets the area that is unused for longest and has no counts that are not written. Otherwise a client that names numbers of
   * many prefixes would erase the confirmed codes of honest people, whose next messages would be refused.
   */
  #forgetOldest(): void {
    for (const [name, { confirmed, failed }] of this.#tallies) {
      if (confirmed + failed > 0) continue;
      this.#tallies.delete(name);
      return;
    }
  }
}
