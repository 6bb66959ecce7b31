import type { Ring } from './world.js';

/**
 * The limits of a model, and of the application that it is compared with: small, so that short histories reach them. A lock
 * may not be shorter at its longest than a code lives.
 */
export const LIMITS = {
  failures: { lockAfter: 3, lockSeconds: 150, maxLockSeconds: 600, permanentLockAfter: 7 },
  pending: { max: 2 },
  sendsPerToken: {
    open: [
      { max: 3, perSeconds: 600 },
      { max: 5, perSeconds: 86_400 },
    ],
    bound: [
      { max: 3, perSeconds: 600 },
      { max: 6, perSeconds: 86_400 },
    ],
  },
  sendsPerRequester: [{ max: 3, perSeconds: 600 }],
  sendsPerNetwork: [
    { ipv4: 24, ipv6: 48, max: 4, perSeconds: 900 },
    { ipv6: 56, max: 3, perSeconds: 900 },
  ],
  sendsPerSender: [{ max: 6, perSeconds: 3_600 }],
  sendsInTotal: {
    open: [{ max: 7, perSeconds: 3_600 }],
    bound: [{ max: 8, perSeconds: 3_600 }],
  },
} as const;

/** A requester's networks, the widest first, as the rules above count them: written down, and not computed. */
interface Requester {
  readonly party: string;
  readonly networks: readonly { readonly name: string; readonly max: number }[];
}

const REQUESTERS_KNOWN: Readonly<Record<string, Requester>> = {
  '192.0.2.1': { party: '192.0.2.1', networks: [{ name: '192.0.2.0/24', max: 4 }] },
  '::ffff:192.0.2.1': { party: '192.0.2.1', networks: [{ name: '192.0.2.0/24', max: 4 }] },
  '192.0.2.9': { party: '192.0.2.9', networks: [{ name: '192.0.2.0/24', max: 4 }] },
  '2001:db8:1:2::1': {
    party: '2001:db8:1:2::/64',
    networks: [
      { name: '2001:db8:1::/48', max: 4 },
      { name: '2001:db8:1::/56', max: 3 },
    ],
  },
  '2001:db8:1:3::1': {
    party: '2001:db8:1:3::/64',
    networks: [
      { name: '2001:db8:1::/48', max: 4 },
      { name: '2001:db8:1::/56', max: 3 },
    ],
  },
  'session-of-ann': { party: 'session-of-ann', networks: [] },
};
const NETWORK_MS = 900_000;
const UNKNOWN_MAX = 4;

/** The requesters of this model. */
export const REQUESTERS = Object.keys(REQUESTERS_KNOWN);

export interface Party {
  readonly token: string | undefined;
  readonly subject: string;
  readonly purpose: string;
  /** Whether a client named the token. */
  readonly isClientNamed: boolean;
  /** Whether it was made without a message. */
  readonly hasSlot: boolean;
}

export interface Message {
  readonly way: string;
  readonly requester: string | undefined;
}

/** Whose wrong codes and messages: of a token among strangers, or of a subject and its token. */
export interface Scope {
  readonly token?: string | undefined;
  readonly subject?: string | undefined;
}

interface Level {
  readonly amount: number;
  readonly endsAt: number;
  readonly owner: string;
}

interface Budget {
  readonly key: string;
  /** Of the limit, as refusals tell it. */
  readonly name: string;
  /** Consecutive failures have no window. */
  readonly windowMs: number | null;
  readonly max: number;
  readonly checkOnly: boolean;
  /** Whose fault it is that it is spent. */
  readonly isOurs: boolean;
  /** Whether strangers share it, so that the wait is rounded up to steps of five minutes. */
  readonly isCoarse: boolean;
}

/** A refusal by a limit, as callers see it. */
export interface Blocked {
  readonly isOurs: boolean;
  /** Whole seconds; `null` when waiting does not help. */
  readonly retryAfterSeconds: number | null;
}

export type Charged = readonly Budget[];

/** Two spellings of one mailbox share their budgets. */
export function canonicalToken(token: string): string {
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
    // A message is bounded by its own quotas: only what is made without one takes a slot.
    const takesSlot = opens !== undefined && sends === undefined;
    const slots = takesSlot ? this.#slots(ring, party, opens.ttlMs) : [];
    const fixed = [
      ...this.#failures(ring, party, true),
      ...(sends === undefined ? [] : this.#sends(ring, party, sends)),
    ];
    return this.#charge(fixed, slots, opens?.id ?? '');
  }

  refund(charges: Charged): void {
    for (const { key, checkOnly, windowMs } of charges) {
      const level = this.#levels.get(key);
      if (checkOnly || level === undefined || level.amount === 0) continue;
      const endsLock = windowMs === null && level.amount <= LIMITS.failures.lockAfter;
      const endsAt =
        endsLock || level.amount === 1 ? Math.min(this.now(), level.endsAt) : level.endsAt;
      this.#levels.set(key, { ...level, amount: level.amount - 1, endsAt });
    }
  }

  /** A right code: no failures any more, and the slot is free. */
  succeed(ring: Ring, party: Party, id: string): void {
    for (const { key } of this.#failures(ring, party, false)) this.#levels.delete(key);
    this.end(ring, party, id);
  }

  /** It cannot be confirmed by its code any more: its slot is free, and its wrong codes still count. */
  end(ring: Ring, party: Party, id: string): void {
    if (!party.hasSlot) return;
    for (const { key } of this.#slots(ring, party, 0).flat()) {
      if (this.#levels.get(key)?.owner === id) this.#levels.delete(key);
    }
  }

  reset(ring: Ring, scope: Scope): void {
    for (const key of this.#failureKeys(ring, scope)) this.#levels.delete(key);
    for (const { key } of this.#sendsPerToken(ring, scope)) this.#levels.delete(key);
  }

  failures(
    ring: Ring,
    scope: Scope,
  ): { count: number; isPermanentlyLocked: boolean; lockedUntil: string | null } {
    const levels = this.#failureKeys(ring, scope).flatMap((key) => this.#levels.get(key) ?? []);
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
    slots: readonly (readonly Budget[])[],
    owner: string,
  ): Charged | Blocked {
    const spent = fixed.filter((budget) => this.#isSpent(budget));
    if (spent.length > 0) return this.#blocked(spent);
    const slot = slots.find((budgets) => !budgets.some((budget) => this.#isSpent(budget)));
    if (slot === undefined && slots.length > 0) return this.#soonest(slots);
    const charges = slot === undefined ? fixed : [...fixed, ...slot];
    for (const budget of charges) if (!budget.checkOnly) this.#spend(budget, owner);
    return charges;
  }

  #spend({ key, windowMs }: Budget, owner: string): void {
    const now = this.now();
    const level = this.#levels.get(key) ?? { amount: 0, endsAt: 0, owner: '' };
    if (windowMs === null) {
      const amount = level.amount + 1;
      const { lockAfter, lockSeconds, maxLockSeconds } = LIMITS.failures;
      const lock = Math.min(lockSeconds * 2 ** (amount - lockAfter), maxLockSeconds) * 1_000;
      this.#levels.set(key, { amount, endsAt: amount < lockAfter ? now : now + lock, owner });
    } else if (level.endsAt > now) {
      this.#levels.set(key, { ...level, amount: level.amount + 1, owner });
    } else this.#levels.set(key, { amount: 1, endsAt: now + windowMs, owner });
  }

  #isSpent({ key, windowMs, max }: Budget): boolean {
    const level = this.#levels.get(key);
    if (level === undefined) return false;
    const isRunning = level.endsAt > this.now();
    return windowMs === null ? isRunning || level.amount >= max : isRunning && level.amount >= max;
  }

  /** The slot that is free first; each when all that it is counted under is. */
  #soonest(slots: readonly (readonly Budget[])[]): Blocked {
    const waits = slots.map((budgets) =>
      Math.max(
        ...budgets.filter((budget) => this.#isSpent(budget)).map((budget) => this.#waitMs(budget)),
      ),
    );
    const seconds = Math.max(1, Math.ceil(Math.min(...waits) / 1_000));
    return { isOurs: false, retryAfterSeconds: seconds };
  }

  #blocked(spent: readonly Budget[]): Blocked {
    const waits = spent.map((budget) => this.#waitMs(budget));
    const wait = Math.max(...waits);
    // Of two that are told to last equally long, the first by name.
    const [{ isOurs }] = spent
      .filter((_, index) => waits[index] === wait)
      .toSorted((one, other) => one.name.localeCompare(other.name)) as [Budget];
    const seconds = Math.max(1, Math.ceil(wait / 1_000));
    return { isOurs, retryAfterSeconds: wait === Infinity ? null : seconds };
  }

  /** The wait that the refusal reports. */
  #waitMs({ key, windowMs, max, isCoarse }: Budget): number {
    const { amount, endsAt } = this.#levels.get(key)!;
    if (windowMs === null && amount >= max) return Infinity;
    const wait = endsAt - this.now();
    return isCoarse ? Math.ceil(wait / FIVE_MINUTES_MS) * FIVE_MINUTES_MS : wait;
  }

  #failures(ring: Ring, party: Party, checkOnly: boolean): Budget[] {
    const scope = scopeOf(party);
    if (scope === null) return [];
    return this.#failureKeys(ring, scope).map((key) => ({
      key,
      name: 'failures',
      windowMs: null,
      max: LIMITS.failures.permanentLockAfter,
      checkOnly,
      isOurs: false,
      isCoarse: scope.subject === undefined,
    }));
  }

  #failureKeys(ring: Ring, scope: Scope): string[] {
    return ring.map((secret) => JSON.stringify([secret, 'failures', nameOf(scope)]));
  }

  #slots(ring: Ring, party: Party, windowMs: number): Budget[][] {
    const { token, subject, purpose } = party;
    if (subject === '' && token === undefined) return [];
    const owner = subject === '' ? { token: canonicalToken(token!) } : { subject };
    return Array.from({ length: LIMITS.pending.max }, (_, slot) =>
      ring.map((secret) => ({
        key: JSON.stringify([secret, 'pending', isOpen(party), purpose, owner, slot]),
        name: 'pending',
        windowMs,
        max: 1,
        checkOnly: false,
        isOurs: false,
        isCoarse: isOpen(party),
      })),
    );
  }

  #sendsPerToken(ring: Ring, scope: Scope): Budget[] {
    const rules = LIMITS.sendsPerToken[scope.subject === undefined ? 'open' : 'bound'];
    return windows(ring, 'sends-per-token', rules, nameOf(scope), {
      isCoarse: scope.subject === undefined,
    });
  }

  #sends(ring: Ring, party: Party, { way, requester }: Message): Budget[] {
    const scope = scopeOf(party);
    const isStranger = isOpen(party);
    const limitClass = isStranger ? 'open' : 'bound';
    return [
      ...(scope === null || party.token === undefined ? [] : this.#sendsPerToken(ring, scope)),
      ...(isStranger ? requesterBudgets(ring, party.subject, requester) : []),
      ...windows(ring, 'sends-per-sender', LIMITS.sendsPerSender, [way, limitClass], {
        isOurs: true,
      }),
      ...windows(ring, 'sends-in-total', LIMITS.sendsInTotal[limitClass], limitClass, {
        isOurs: true,
      }),
    ];
  }
}

const FIVE_MINUTES_MS = 300_000;

/** A token that a client named counts as a stranger's, also when a user is signed in. */
function isOpen({ subject, isClientNamed }: Party): boolean {
  return subject === '' || isClientNamed;
}

/** Under whom failures and messages count; `null` for nowhere yet. */
function scopeOf(party: Party): Scope | null {
  const { token, subject } = party;
  if (isOpen(party)) return token === undefined ? null : { token };
  return { subject, token };
}

function nameOf({ token, subject }: Scope): string {
  return JSON.stringify([subject ?? null, token === undefined ? null : canonicalToken(token)]);
}

/** The party that causes the message, and its networks; a subject in its widest one alone. */
function requesterBudgets(ring: Ring, subject: string, requester: string | undefined): Budget[] {
  const network = (name: string, max: number): Budget[] =>
    windows(ring, 'sends-per-network', [{ max, perSeconds: NETWORK_MS / 1_000 }], name);
  const party = (name: string): Budget[] =>
    windows(ring, 'sends-per-requester', LIMITS.sendsPerRequester, name);
  const known = requester === undefined ? undefined : REQUESTERS_KNOWN[requester];
  const networks = (known?.networks ?? []).map(({ name, max }) => network(name, max));
  if (subject !== '') return [...party(`subject ${subject}`), ...networks.slice(0, 1).flat()];
  if (known === undefined) return network('all unknown requesters', UNKNOWN_MAX);
  return [...party(`requester ${known.party}`), ...networks.flat()];
}

/** One budget under each secret, for each of the rules. */
function windows(
  ring: Ring,
  name: string,
  rules: readonly { readonly max: number; readonly perSeconds: number }[],
  value: unknown,
  { isOurs = false, isCoarse = false }: { isOurs?: boolean; isCoarse?: boolean } = {},
): Budget[] {
  return rules.flatMap(({ max, perSeconds }) =>
    ring.map((secret) => ({
      key: JSON.stringify([secret, name, perSeconds, value]),
      name,
      windowMs: perSeconds * 1_000,
      max,
      checkOnly: false,
      isOurs,
      isCoarse,
    })),
  );
}
