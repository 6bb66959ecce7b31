// What a scenario of the race is made of, and the checks that turn a round into harms and lapses.
import type { ConfirmationRecord } from 'nestjs-two-factor';

import type { Results } from './crew.js';
import type { Life } from './history.js';
import type { Answer, Call } from './protocol.js';
import type { Stage } from './stage.js';

export const MAX_ATTEMPTS = 5;

/** What a round showed. */
export interface Round {
  readonly answers: readonly Answer[];
  /** `null` where nothing is to be compared. */
  readonly comparisons: number | null;
  readonly winners: number;
  /** What happened though it must never happen: all that a twin is judged by. */
  readonly harms: readonly string[];
  /** What else is not as promised: no call won, an answer that no order explains, an error that was not announced. */
  readonly lapses: readonly string[];
}

export interface Scenario {
  readonly name: string;
  /** Comparisons that a round may make. */
  readonly allowed: number | null;
  /** Whether it is about the limits, and is left out of a run without them. */
  readonly needsLimits: boolean;
  /** Plays a round on a confirmation of its own. `round` counts from 0. */
  play(stage: Stage, isNaive: boolean, round: number): Promise<Round>;
}

export type Codes = Readonly<Record<string, string>>;

export const DEAD_ROWS = 200;

export async function pending(
  stage: Stage,
  ttlSeconds?: number,
): Promise<{ id: string; codes: Codes }> {
  const state = await stage.director.confirmer.makeConfirmation({ ttlSeconds });
  return { id: state.id, codes: { [state.id]: state.code! } };
}

/** Repeats the same chain this many times. */
export function times(count: number, ...chain: readonly (Call | readonly Call[])[]): Call[][] {
  return Array.from({ length: count }, () => chain.flat());
}

export const isConfirm = ({ call }: Answer): boolean => call.verb === 'confirm';

/**
 * Comparisons as the database's trigger logged them, which must be the difference of `attempts` too; a twin compares in
 * the application, and counts them there.
 */
export async function charged(
  stage: Stage,
  results: Results,
  isNaive: boolean,
  ...ids: readonly string[]
): Promise<{ comparisons: number; lapses: string[] }> {
  if (isNaive) return { comparisons: results.comparisons, lapses: [] };
  const comparisons = await stage.comparisons(...ids);
  let attempts = 0;
  for (const id of ids) {
    attempts += (await stage.director.records.findOneByOrFail({ id })).attempts;
  }
  return { comparisons, lapses: expected('attempts', attempts, comparisons) };
}

/** What the budgets of failures hold together: what is charged and not given back. */
export async function spentFailures({ director }: Stage): Promise<number> {
  const rows: { spent: string | number | null }[] = await director.dataSource.query(
    "SELECT sum(amount) AS spent FROM two_factor_limit WHERE kind = 'failures'",
  );
  return Number(rows[0]?.spent);
}

export function lifeOf({ cancelledAt, usedAt, confirmedAt }: ConfirmationRecord): Life {
  if (cancelledAt !== null) return 'cancelled';
  if (usedAt !== null) return 'used';
  return confirmedAt === null ? 'pending' : 'confirmed';
}

/** Rows that were dead long ago, older than any other. */
export function deadRows(
  round: number,
): Pick<ConfirmationRecord, 'id' | 'maxAttempts' | 'createdAt' | 'expiresAt'>[] {
  const createdAt = Date.now() - 86_400_000;
  return Array.from({ length: DEAD_ROWS }, (_, index) => ({
    id: `${round}0${index}`.padStart(36, '0'),
    maxAttempts: MAX_ATTEMPTS,
    createdAt,
    expiresAt: createdAt + 600_000,
  }));
}

export function excess(what: string, actual: number, most: number): string[] {
  return actual > most ? [`${actual} ${what}, at most ${most}`] : [];
}

export function expected(what: string, actual: number, exactly: number): string[] {
  return actual === exactly ? [] : [`${actual} ${what} instead of ${exactly}`];
}

/** Errors, and refusals that were not announced for this. */
export function unexpected(answers: readonly Answer[], ...announced: readonly string[]): string[] {
  const mayConflict = ({ call }: Answer): boolean => call.verb === 'use-with-effect';
  return answers.flatMap((answer) => {
    const { outcome } = answer;
    if (outcome.kind === 'error') return [`error: ${outcome.what}`];
    if (outcome.kind === 'refused' && !announced.includes(outcome.code)) {
      return [`refused: ${outcome.code}`];
    }
    return outcome.kind === 'conflict' && !mayConflict(answer) ? ['a conflict outside'] : [];
  });
}
