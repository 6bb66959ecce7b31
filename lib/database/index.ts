export { AfterCommit } from './after-commit.js';
export type { StatementResult } from './drivers/statement-result.js';
export { isStatementUnsupported, isTranslatedDuplicateKey } from './database-error.js';
export { databaseTimeoutError, Deadline } from './execution/deadline.js';
export { isNotCommitted } from './execution/not-committed.js';
export { warnOfClockSkew } from './clock-skew.js';
export { dataSourceOf } from './data-source-of.js';
export { epochMs } from './epoch-ms.js';
export { MYSQL_ALL_ROWS, mysqlOnPrimary } from './mysql-clauses.js';
export { engineOf, type Engine } from './engine.js';
export { batchRowsSql, asBatchColumns, type BatchColumnTypes } from './batching/batch-rows.js';
export {
  listValues,
  placeholders,
  type SqlValue,
  type SqlValues,
  Statement,
  statementsByName,
} from './statement.js';
export { assertServerSettings } from './server-settings.js';
export type { TransactionStep, TransactionSteps } from './execution/transaction-steps.js';
export {
  type BatchedCalls,
  StatementRunner,
  type StatementRunnerOptions,
} from './statement-runner.js';
export type { BatchSpec } from './batching/batch-spec.js';
export type { CallKind } from './batching/call-batcher.js';
export { bindLists, elementPlaceholders, statementSizeFor } from './batching/call-lists.js';
export type { Batchable } from './batching/coalescing-queue.js';
export type { Capabilities, Capability } from './capabilities.js';
export { assertEntity, tableNames, type TableNames } from './table-names.js';
