import {
  bindLists,
  type BatchedCalls,
  type CallKind,
  type Deadline,
  type SqlValues,
} from '../../database/index.js';
import type { QuotaRoleLetters } from '../../limits/index.js';
import { MAX_BATCH_CALLS } from './call-lists.js';
import type { ConfirmationStore } from './confirmation.store.js';
import type { CallListStatements } from './dialects/call-list-statements.js';
import type { JoinedUpdateAnswer } from './dialects/joined-update-statements.js';

/** The answer of the comparing statement, with the time that it wrote. */
export interface ComparisonResult {
  readonly answer: JoinedUpdateAnswer;
  readonly now: number;
  readonly useBefore: number;
  readonly affected: number;
}

/** A code that is compared with that of a confirmation. */
export interface ComparingCall {
  /** The confirmation and its quotas: each of them is written for one call of a batch. */
  readonly keys: readonly string[];
  /** The keys of its quotas, in the order of the roles. */
  readonly quotas: readonly string[];
  readonly seenAttempts: number;
  readonly values: SqlValues;
  readonly single: (deadline: Deadline) => Promise<ComparisonResult>;
}

/** Compares the codes of concurrent calls by one statement. */
export class CompareLists {
  readonly #batches = new Map<
    QuotaRoleLetters,
    BatchedCalls<ComparingCall, ComparisonResult> | null
  >();

  constructor(
    private readonly store: ConfirmationStore,
    private readonly statements: CallListStatements,
    private readonly shared: SqlValues,
  ) {}

  /** `null` where the option `batching` is off. */
  batcherFor(roles: QuotaRoleLetters): BatchedCalls<ComparingCall, ComparisonResult> | null {
    let batch = this.#batches.get(roles);
    if (batch === undefined) {
      batch = this.store.runner.batcher(this.#kindOf(roles));
      this.#batches.set(roles, batch);
    }
    return batch;
  }

  #kindOf(roles: QuotaRoleLetters): CallKind<ComparingCall, ComparisonResult> {
    const times = new WeakMap<ComparingCall, ReturnType<ConfirmationStore['times']>>();
    return {
      maxSize: MAX_BATCH_CALLS,
      isNumbered: true,
      bind: (calls) => {
        const now = this.store.times();
        for (const call of calls) times.set(call, now);
        const quotas = calls.flatMap((call) => call.quotas).toSorted();
        const held = quotas.map((key) => ({ key }));
        const statement = this.statements.compare(roles, calls.length, held.length);
        const call = calls.map(({ values }) => values);
        return {
          statement,
          values: bindLists(statement, { call, held }, { ...this.shared, ...now }),
        };
      },
      answers: ({ insertId, affected }, calls) => {
        if (insertId === 0 && affected > 0) return null;
        return calls.map((call, index) => {
          const bits = Math.floor(insertId / 2 ** (2 * index + 1)) % 4;
          if (bits === 0) return null;
          const attempts = call.seenAttempts + 1;
          // A failure that locks is left to the statement for one call.
          const answer = {
            outcome: 'compared',
            isRight: bits === 3,
            attempts,
            failures: 0,
          } as const;
          return { answer, affected: 1, ...times.get(call)! };
        });
      },
      single: ({ single }, deadline) => single(deadline),
    };
  }
}
