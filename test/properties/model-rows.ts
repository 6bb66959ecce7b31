// The rows of the model of the module, and what is computed from a row alone.
import type { JsonValue, SendContext } from '../../lib/index.js';
import { canonicalToken } from './limits-model.js';
import type { Secret } from './world.js';

export const TTL_SECONDS = 600;
export const USE_WITHIN_MS = 300_000;
export const MAX_ATTEMPTS = 5;
export const MAX_SENDS = 5;
const COOLDOWN_MS = [30_000, 60_000, 120_000, 300_000];
export const EARLY_RETRY_MS = 5_000;
export const KEPT_MS = 86_400_000;
export const SENDERS = new Set(['default', 'other']);

export const STATE_CODES = {
  confirmed: 'already-confirmed',
  used: 'already-used',
  expired: 'expired',
  locked: 'attempts-exhausted',
  cancelled: 'cancelled',
} as const;

export const MASKED: Readonly<Record<string, string>> = {
  'ann@example.com': 'a***@e***.com',
  'Ann@EXAMPLE.com': 'A***@E***.com',
  'bob@example.org': 'b***@e***.org',
  '+14155550123': '***23',
};

/** The tokens of this model: those whose masked form it knows. */
export const TOKENS = Object.keys(MASKED);

/** What the model believes one row to be. */
export interface Row {
  readonly id: string;
  readonly purpose: string;
  readonly subject: string;
  /** Canonical JSON; undefined for none. */
  readonly details: string | undefined;
  readonly detailsSecret: Secret;
  readonly meta: string | undefined;
  readonly code: string | undefined;
  /** Signs the code and seals the envelope. */
  readonly codeSecret: Secret;
  readonly oldCodes: readonly string[];
  readonly token: string | undefined;
  /** Whether a client named the token. */
  readonly isClientNamed: boolean;
  /** Whether it was made without a message, outside of a transaction. */
  readonly hasSlot: boolean;
  readonly way: string;
  readonly hasWay: boolean;
  readonly context: SendContext | undefined;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly attempts: number;
  readonly sends: number;
  readonly lastSentAt: number | null;
  readonly confirmedAt: number | null;
  readonly useBefore: number | null;
  readonly usedAt: number | null;
  readonly useKey: string | null;
  readonly cancelledAt: number | null;
}

export type Status = 'pending' | 'confirmed' | 'used' | 'expired' | 'locked' | 'cancelled';

/** What a call answers, in words that both sides can say. */
export type Answer = Readonly<Record<string, unknown>>;

/** What the model cannot know: what was drawn at random while the call ran. */
export interface Drawn {
  readonly codes: readonly string[];
  /** The id that the call answered, if it answered one. */
  readonly id?: string | undefined;
}

export class Refusal extends Error {
  constructor(readonly answer: Answer) {
    super('refused');
  }
}

export const refuse = (error: string, facts: Answer = {}): never => {
  throw new Refusal({ error, ...facts });
};

export function cooldownOf(sends: number): number | undefined {
  return COOLDOWN_MS[Math.min(sends, COOLDOWN_MS.length) - 1];
}

export function senderOf(name: string | null): string {
  const way = name ?? 'default';
  return SENDERS.has(way) ? way : refuse('invalid-request');
}

export function keyName(
  secret: Secret,
  key: string,
  { purpose, subject }: { purpose: string; subject: string },
): string {
  return JSON.stringify([secret, key, purpose, subject]);
}

/** JSON with sorted members: what two equal details have in common. */
export function canonical(value: JsonValue | undefined): string | undefined {
  if (value === undefined) return undefined;
  return JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(
          Object.entries(member).toSorted(([one], [other]) => (one < other ? -1 : 1)),
        )
      : member,
  );
}

/** The same JSON, its members in another order. */
export function reversed(value: JsonValue): JsonValue {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).toReversed());
}

/** A state has the token in one spelling. */
export function normalized(token: string | undefined): string | null {
  return token === undefined ? null : canonicalToken(token);
}
