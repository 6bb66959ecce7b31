import type { Ring } from './world.js';

/** The limits of a model, and of the application that it is compared with: small, so that short histories reach them. */
export const LIMITS = {
  failures: { lockAfter: 3, lockSeconds: 30, maxLockSeconds: 100, permanentLockAfter: 7 },
  pending: { max: 2 },
  sendsPerToken: [
    { max: 3, perSeconds: 600 },
    { max: 5, perSeconds: 86_400 },
  ],
  sendsPerRequester: [{ max: 3, perSeconds: 600 }],
  sendsPerSender: [{ max: 6, perSeconds: 3_600 }],
  sendsInTotal: [{ max: 8, perSeconds: 3_600 }],
} as const;

export interface Party {
  readonly token: string | undefined;
  readonly subject: string;
  readonly purpose: string;
}

export interface Message {
  readonly way: string;
  readonly requester: string | undefined;
}

interface Level {
  readonly amount: number;
  readonly endsAt: number;
  readonly holder: string;
}

interface Budget {
  readonly key: string;
  /** Consecutive failures have no window. */
  readonly windowMs: number | null;
  readonly max: number;
  readonly checkOnly: boolean;
  /** Whose fault it is that it is spent. */
  readonly isOurs: boolean;
}

/** A refusal by a limit, as callers see it. */
export interface Blocked {
  readonly isOurs: boolean;
  /** Whole seconds; `null` when waiting does not help. */
  readonly retryAfterSeconds: number | null;
}

export type Charged = readonly Budget[];

/** Two spellings of one mailbox share their budgets. */
function canonical(token: string): string {
  return token.toLowerCase();
}

/** What is spent of which budget: charged before what it limits, and given back when that does not happen. */
export class LimitsModel {
  readonly #levels: Map<string, Level>;

  constructor(
    private readonly now: () => number,
    from?: LimitsModel,
  ) {
    this.#levels = new Map(from === undefined ? [] : from.#levels);
  }

  clone(): LimitsModel {
    return new LimitsModel(this.now, this);
  }

  /** Before a code is compared. */
  chargeComparison(ring: Ring, party: Party): Charged | Blocked {
    return this.#charge(this.#failures(ring, party, false), [], '');
  }

  /** Before a confirmation is made or sent. */
  chargeRequest(
    ring: Ring,
    party: Party,
    {
      opens,
      sends,
    }: { opens?: { id: string; ttlMs: number } | undefined; sends?: Message | undefined },
  ): Charged | Blocked {
    const places = opens === undefined ? [] : this.#places(ring, party, opens.ttlMs);
    const fixed = [
      ...this.#failures(ring, party, true),
      ...(sends === undefined ? [] : this.#sends(ring, party, sends)),
    ];
    return this.#charge(fixed, places, opens?.id ?? '');
  }

  giveBack(charges: Charged): void {
    for (const { key, checkOnly, windowMs } of charges) {
      const level = this.#levels.get(key);
      if (checkOnly || level === undefined || level.amount === 0) continue;
      const endsLock = windowMs === null && level.amount <= LIMITS.failures.lockAfter;
      const endsAt = endsLock || level.amount === 1 ? 0 : level.endsAt;
      this.#levels.set(key, { ...level, amount: level.amount - 1, endsAt });
    }
  }

  /** A right code: no failures any more, and the place is free. */
  succeed(ring: Ring, party: Party, id: string): void {
    for (const { key } of this.#failures(ring, party, false)) this.#levels.delete(key);
    this.end(ring, party, id);
  }

  /** Nobody can confirm it by its code any more: its place is free, what was guessed still counts. */
  end(ring: Ring, party: Party, id: string): void {
    for (const { key } of this.#places(ring, party, 0).flat()) {
      if (this.#levels.get(key)?.holder === id) this.#levels.delete(key);
    }
  }

  reset(ring: Ring, whose: { token: string } | { subject: string }): void {
    for (const key of this.#failureKeys(ring, whose)) this.#levels.delete(key);
    if (!('token' in whose)) return;
    for (const { key } of this.#sendsPerToken(ring, whose.token)) this.#levels.delete(key);
  }

  failures(
    ring: Ring,
    whose: { token: string } | { subject: string },
  ): { count: number; isPermanentlyLocked: boolean; lockedUntil: string | null } {
    const levels = this.#failureKeys(ring, whose).flatMap((key) => this.#levels.get(key) ?? []);
    const isPermanentlyLocked = levels.some(
      ({ amount }) => amount >= LIMITS.failures.permanentLockAfter,
    );
    const endsAt = Math.max(0, ...levels.map((level) => level.endsAt));
    const isLocked = !isPermanentlyLocked && endsAt > this.now();
    return {
      count: Math.max(0, ...levels.map(({ amount }) => amount)),
      isPermanentlyLocked,
      lockedUntil: isLocked ? new Date(endsAt).toISOString() : null,
    };
  }

  #charge(
    fixed: readonly Budget[],
    places: readonly (readonly Budget[])[],
    holder: string,
  ): Charged | Blocked {
    const spent = fixed.filter((budget) => this.#isSpent(budget));
    if (spent.length > 0) return this.#blocked(spent, Math.max);
    const place = places.find((budgets) => !budgets.some((budget) => this.#isSpent(budget)));
    if (place === undefined && places.length > 0) return this.#soonest(places);
    const charges = place === undefined ? fixed : [...fixed, ...place];
    for (const budget of charges) if (!budget.checkOnly) this.#spend(budget, holder);
    return charges;
  }

  #spend({ key, windowMs }: Budget, holder: string): void {
    const now = this.now();
    const level = this.#levels.get(key) ?? { amount: 0, endsAt: 0, holder: '' };
    if (windowMs === null) {
      const amount = level.amount + 1;
      const { lockAfter, lockSeconds, maxLockSeconds } = LIMITS.failures;
      const lock = Math.min(lockSeconds * 2 ** (amount - lockAfter), maxLockSeconds) * 1_000;
      this.#levels.set(key, { amount, endsAt: amount < lockAfter ? 0 : now + lock, holder });
    } else if (level.endsAt > now) {
      this.#levels.set(key, { ...level, amount: level.amount + 1, holder });
    } else this.#levels.set(key, { amount: 1, endsAt: now + windowMs, holder });
  }

  #isSpent({ key, windowMs, max }: Budget): boolean {
    const level = this.#levels.get(key);
    if (level === undefined) return false;
    const isRunning = level.endsAt > this.now();
    return windowMs === null ? isRunning || level.amount >= max : isRunning && level.amount >= max;
  }

  /** The place that is free first; each when all that it is counted under is. */
  #soonest(places: readonly (readonly Budget[])[]): Blocked {
    const waits = places.map((budgets) =>
      Math.max(
        ...budgets
          .filter((budget) => this.#isSpent(budget))
          .map(({ key }) => this.#levels.get(key)!.endsAt - this.now()),
      ),
    );
    const seconds = Math.max(1, Math.ceil(Math.min(...waits) / 1_000));
    return { isOurs: false, retryAfterSeconds: seconds };
  }

  #blocked(spent: readonly Budget[], which: (...waits: number[]) => number): Blocked {
    const waits = spent.map(({ key, windowMs, max }) => {
      const { amount, endsAt } = this.#levels.get(key)!;
      return windowMs === null && amount >= max ? Infinity : endsAt - this.now();
    });
    const wait = which(...waits);
    const isOurs = spent[waits.indexOf(wait)]!.isOurs;
    const seconds = Math.max(1, Math.ceil(wait / 1_000));
    return { isOurs, retryAfterSeconds: wait === Infinity ? null : seconds };
  }

  #failures(ring: Ring, { token, subject }: Party, checkOnly: boolean): Budget[] {
    const keys = [
      ...(token === undefined ? [] : this.#failureKeys(ring, { token })),
      ...(subject === '' ? [] : this.#failureKeys(ring, { subject })),
    ];
    return keys.map((key) => ({
      key,
      windowMs: null,
      max: LIMITS.failures.permanentLockAfter,
      checkOnly,
      isOurs: false,
    }));
  }

  #failureKeys(ring: Ring, whose: { token: string } | { subject: string }): string[] {
    const name = 'token' in whose ? ['token', canonical(whose.token)] : ['subject', whose.subject];
    return ring.map((secret) => JSON.stringify([secret, ...name]));
  }

  #places(ring: Ring, { token, subject, purpose }: Party, windowMs: number): Budget[][] {
    if (subject === '' && token === undefined) return [];
    const whose = subject === '' ? ['token', canonical(token!)] : ['subject', subject];
    return Array.from({ length: LIMITS.pending.max }, (_, place) =>
      ring.map((secret) => ({
        key: JSON.stringify([secret, 'pending', purpose, ...whose, place]),
        windowMs,
        max: 1,
        checkOnly: false,
        isOurs: false,
      })),
    );
  }

  #sendsPerToken(ring: Ring, token: string): Budget[] {
    return this.#sends(ring, { token, subject: '', purpose: '' }, undefined);
  }

  /** One budget under each secret; those of a token alone without a message. */
  #sends(ring: Ring, { token }: Party, message: Message | undefined): Budget[] {
    const budgets = (
      name: 'sendsPerToken' | 'sendsPerRequester' | 'sendsPerSender' | 'sendsInTotal',
      value: string | undefined,
    ): Budget[] =>
      value === undefined
        ? []
        : LIMITS[name].flatMap(({ max, perSeconds }) =>
            ring.map((secret) => ({
              key: JSON.stringify([secret, name, perSeconds, value]),
              windowMs: perSeconds * 1_000,
              max,
              checkOnly: false,
              isOurs: name === 'sendsPerSender' || name === 'sendsInTotal',
            })),
          );
    return [
      ...budgets('sendsPerToken', token === undefined ? undefined : canonical(token)),
      ...budgets('sendsPerRequester', message?.requester),
      ...budgets('sendsPerSender', message?.way),
      ...budgets('sendsInTotal', message && ''),
    ];
  }
}
