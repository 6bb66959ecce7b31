export { AfterCommit } from './after-commit.js';
export type { StatementResult } from './answer.js';
export { isRefusedStatement } from './database-error.js';
export { dataSourceOf } from './data-source-of.js';
export { epochMs } from './epoch-ms.js';
export { engineOf, type Engine } from './engine.js';
export {
  givenRows,
  givenValues,
  listValues,
  placeholders,
  type GivenTypes,
  type SqlValue,
  type SqlValues,
  Statement,
} from './statement.js';
export { assertReturning, assertServerSettings } from './server-settings.js';
export { StatementRunner, type Join, type StatementRunnerOptions } from './statement-runner.js';
export { assertEntity, tableNames, type TableNames } from './table-names.js';
