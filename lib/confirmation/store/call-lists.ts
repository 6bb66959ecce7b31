import {
  bindLists,
  type BatchedCalls,
  type CallKind,
  type Deadline,
  type SqlValues,
  type Statement,
  type StatementResult,
  type StatementRunner,
} from '../../database/index.js';
import type { Clock } from '../../options/index.js';
import { callListStatements, type CallListStatements } from './dialects/call-list-statements.js';
import type { StatementContext } from './dialects/confirmation-dialect.js';

/** With the first bit these are fewer bits than the 53 that every driver returns exactly, two bits for each call. */
export const MAX_BATCH_CALLS = 24;
const MAX_BATCH_READS = 48;
/** There is a text for each of these numbers of rows: rows cannot be repeated to fill a text, as other values can. */
const INSERT_SIZES = [24, 16, 12, 8, 6, 4, 3, 2];

type Execute = (deadline: Deadline) => Promise<StatementResult>;

interface StoreCall {
  readonly keys: readonly string[];
  readonly values: SqlValues;
  readonly single: Execute;
}

const executeSingly = ({ single }: StoreCall, deadline: Deadline): Promise<StatementResult> =>
  single(deadline);

/** The calls of the store that MySQL and MariaDB execute together. A call that a batch refuses is executed on its own. */
export class CallLists {
  readonly find: BatchedCalls<StoreCall, StatementResult>;
  readonly insert: BatchedCalls<StoreCall, StatementResult>;
  readonly use: BatchedCalls<StoreCall, StatementResult>;
  readonly useByAllowedSender: BatchedCalls<StoreCall, StatementResult>;

  private constructor(
    batcherOf: (
      kind: CallKind<StoreCall, StatementResult>,
    ) => BatchedCalls<StoreCall, StatementResult>,
    statements: CallListStatements,
    now: () => number,
  ) {
    this.find = batcherOf(findKind(statements));
    this.insert = batcherOf(insertKind(statements));
    this.use = batcherOf(useCallKind((calls) => statements.use(calls), now));
    this.useByAllowedSender = batcherOf(
      useCallKind((calls) => statements.useByAllowedSender(calls), now),
    );
  }

  /** `null` on other engines than MySQL and MariaDB, and where the option `batching` is off. */
  static open(runner: StatementRunner, context: StatementContext, clock: Clock): CallLists | null {
    if (!runner.isBatching || runner.engine !== 'mysql') return null;
    const statements = callListStatements(context, null);
    return new CallLists(
      (kind) => runner.batcher(kind)!,
      statements,
      () => clock.now(),
    );
  }
}

function valuesOf(calls: readonly StoreCall[]): SqlValues[] {
  return calls.map(({ values }) => values);
}

/** @internal Exported for its test alone. */
export function findKind(statements: CallListStatements): CallKind<StoreCall, StatementResult> {
  return {
    maxSize: MAX_BATCH_READS,
    bind: (calls) => {
      const statement = statements.find(calls.length);
      return { statement, values: bindLists(statement, { call: valuesOf(calls) }, {}) };
    },
    answers: ({ rows }, calls) => {
      const rowById = new Map(rows.map((row) => [row['id'], row]));
      const found = calls.map(({ values }) => rowById.get(values['id']));
      // The column's collation may take another spelling of an id for the same: then the statement for one call decides.
      const isExact = new Set(found.filter((row) => row !== undefined)).size >= rows.length;
      return found.map((row) => {
        if (row !== undefined) return { rows: [row], affected: 0, insertId: 0 };
        return isExact ? { rows: [], affected: 0, insertId: 0 } : null;
      });
    },
    single: executeSingly,
  };
}

function insertKind(statements: CallListStatements): CallKind<StoreCall, StatementResult> {
  return {
    maxSize: MAX_BATCH_CALLS,
    fit: (count) => INSERT_SIZES.find((size) => size <= count) ?? count,
    bind: (calls) => {
      const statement = statements.insert(calls.length);
      return { statement, values: bindLists(statement, { call: valuesOf(calls) }, {}) };
    },
    answers: (_, calls) => calls.map(() => ({ rows: [], affected: 1, insertId: 0 })),
    single: executeSingly,
  };
}

/** Describes how one statement executes several calls that use a proof. A bit of `insertId` tells for each call whether it did. */
function useCallKind(
  statementOf: (calls: number) => Statement,
  now: () => number,
): CallKind<StoreCall, StatementResult> {
  return {
    maxSize: MAX_BATCH_CALLS,
    isNumbered: true,
    bind: (calls) => {
      const statement = statementOf(calls.length);
      return { statement, values: bindLists(statement, { call: valuesOf(calls) }, { now: now() }) };
    },
    answers: ({ affected, insertId }, calls) => {
      const answers = calls.map((_, index) =>
        Math.floor(insertId / 2 ** (index + 1)) % 2 === 1
          ? { rows: [], affected: 1, insertId: 0 }
          : null,
      );
      return answers.filter(Boolean).length === affected ? answers : null;
    },
    single: executeSingly,
  };
}
