export { AfterCommit } from './after-commit.js';
export type { StatementResult } from './drivers/statement-result.js';
export { isStatementUnsupported } from './database-error.js';
export { databaseTimeoutError, type Deadline } from './execution/deadline.js';
export { dataSourceOf } from './data-source-of.js';
export { epochMs } from './epoch-ms.js';
export { engineOf, type Engine } from './engine.js';
export { batchRowsSql, asBatchColumns, type BatchColumnTypes } from './batching/batch-rows.js';
export { listValues, placeholders, type SqlValue, type SqlValues, Statement } from './statement.js';
export { assertReturning, assertServerSettings } from './server-settings.js';
export {
  StatementRunner,
  type BatchSpec,
  type StatementRunnerOptions,
} from './statement-runner.js';
export { assertEntity, tableNames, type TableNames } from './table-names.js';
