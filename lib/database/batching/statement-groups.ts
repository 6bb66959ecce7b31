import type { BoundStatement } from '../drivers/connection-lease.js';
import { NO_ROWS_AFFECTED, type StatementResult } from '../drivers/statement-result.js';
import { bindLazily, boundStatement } from '../execution/bound-statement.js';
import type { Statement } from '../statement.js';
import { bindArrays } from './batch-rows.js';
import type { QueuedCall } from './batch-spec.js';

/** The calls of a batch that have the same `batchStatement`. */
export interface CallGroup {
  readonly calls: QueuedCall[];
  /** Executed once per call; `undefined` where `batchStatement` executes all calls at once. */
  singleStatement: Statement | undefined;
  readonly batchStatement: Statement;
  /** Whether a call without a row is executed on its own; otherwise `followUpStatement` comes first. */
  readonly isLast: boolean;
}

/**
 * @param maxSingle the number of calls of a group up to which each has a statement of its own.
 * @param isFollowUp whether the batch has been executed, and the calls are those without a row.
 */
export function groupByStatement(
  calls: readonly QueuedCall[],
  maxSingle: number,
  isFollowUp: boolean,
): readonly CallGroup[] {
  const groups = new Map<Statement, CallGroup>();
  for (const call of calls) {
    const { batchStatement, singleStatement, followUpStatement = batchStatement } = call.batch;
    const group = groups.get(batchStatement);
    if (group === undefined) {
      groups.set(batchStatement, {
        calls: [call],
        singleStatement: maxSingle > 0 ? singleStatement : undefined,
        batchStatement: isFollowUp ? followUpStatement : batchStatement,
        isLast: isFollowUp || followUpStatement === batchStatement,
      });
    } else {
      group.calls.push(call);
      if (group.calls.length > maxSingle) group.singleStatement = undefined;
    }
  }
  return [...groups.values()];
}

export function bindGroups(groups: readonly CallGroup[]): readonly BoundStatement[] {
  return groups.flatMap(({ calls, singleStatement, batchStatement }) => {
    if (singleStatement) {
      return calls.map(({ batch }) => boundStatement(singleStatement, batch.values));
    }
    return [
      bindLazily(batchStatement, () => {
        const { sharedValues } = calls[0]!.batch;
        const rows = calls.map(({ batch }) => batch.values());
        return bindArrays(batchStatement, rows, sharedValues?.());
      }),
    ];
  });
}

/**
 * Resolves each call of a batch with its own row. A call without a row is executed on its own when no follow-up statement is
 * left, which could find the reason.
 *
 * @returns the other calls without a row, for the follow-up statement.
 */
export function resolveCalls(
  groups: readonly CallGroup[],
  rows: StatementResult['rows'],
  runSingly: (call: QueuedCall) => Promise<void>,
): readonly QueuedCall[] {
  const rowByKey = new Map(rows.map((row) => [row['key'], row]));
  const followUp: QueuedCall[] = [];
  for (const { calls, singleStatement, isLast } of groups) {
    for (const call of calls) {
      const row = rowByKey.get(call.keys[0]);
      if (row === undefined) {
        if (singleStatement === undefined && isLast) void runSingly(call);
        else followUp.push(call);
      } else if (row['touched'] === true) {
        call.resolve({ rows: [row], affected: 1, insertId: 0 });
      } else {
        call.resolve(NO_ROWS_AFFECTED);
      }
    }
  }
  return followUp;
}
