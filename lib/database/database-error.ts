import {
  TwoFactorConfigurationError,
  TwoFactorConflictError,
  TwoFactorError,
  TwoFactorUnavailableError,
} from '../errors/index.js';
import type { Engine } from './engine.js';
import {
  codeLabelOf,
  hasServerCode,
  isSqlState,
  refusalOf,
  type DriverError,
  UNKNOWN_REFUSAL,
} from './refusals.js';

/** division_by_zero: a statement of this package raises it to roll itself back when a concurrent call came in between. */
const SELF_ROLLBACK_SQLSTATE = '22012';

/** PostgreSQL serialization_failure, deadlock_detected; MySQL deadlock, lock wait timeout, changed snapshot; SQLite busy. */
const SERIALIZATION_FAILURE = new Set<unknown>([
  '40001',
  '40P01',
  SELF_ROLLBACK_SQLSTATE,
  1213,
  1205,
  1020,
  3101, // MySQL Group Replication certifies a transaction at its COMMIT, and ends one that another member has overtaken.
  'SQLITE_BUSY',
  'SQLITE_BUSY_SNAPSHOT',
]);
/**
 * PostgreSQL duplicate_prepared_statement, invalid_sql_statement_name, feature_not_supported; MySQL unknown prepared
 * statement, not preparable, too many prepared statements. All are reported before execution.
 */
const PREPARED_REFUSED = new Set<unknown>(['42P05', '26000', '0A000', 1243, 1295, 1461]);
/** MySQL: the statement must be prepared again. PostgreSQL says so by `OUTDATED_PLAN_ROUTINE`. */
const OUTDATED_PLAN = new Set<unknown>([1615]);
/** The function of PostgreSQL that raises "cached plan must not change result type", a sentence that servers translate. */
const OUTDATED_PLAN_ROUTINE = 'RevalidateCachedQuery';
/** Galera: the node has left its cluster, and takes no statement before it has joined again. */
const NODE_NOT_READY = new Set<unknown>([1047]);
/** PostgreSQL read_only_sql_transaction; MySQL --read-only, read-only transaction, read-only mode. */
const READ_ONLY = new Set<unknown>(['25006', 1290, 1792, 1836]);
/**
 * PostgreSQL syntax_error, feature_not_supported, undefined_function; MySQL syntax error, not supported, and a joined UPDATE or DELETE
 * that MariaDB refuses with `sql_safe_updates`, whose name stays in a translated error.
 */
const BATCH_UNSUPPORTED = new Set<unknown>([
  '42601',
  '0A000',
  '42883',
  1064,
  1235,
  1175,
  'ER_UPDATE_WITHOUT_KEY_IN_SAFE_MODE',
]);
/** PostgreSQL unique_violation; MySQL duplicate entry, whose name stays in a translated error; SQLite. */
const DUPLICATE_KEY = new Set<unknown>([
  '23505',
  1062,
  'ER_DUP_ENTRY',
  'SQLITE_CONSTRAINT_PRIMARYKEY',
  'SQLITE_CONSTRAINT_UNIQUE',
]);
/** PostgreSQL undefined_table, undefined_column, invalid_schema_name; MySQL unknown table, unknown column. */
const SCHEMA_MISSING = new Set<unknown>(['42P01', '42703', '3F000', 1146, 1054]);
/** A broken connection (08), an operator's intervention (57P), a system error (58, XX), statement_completion_unknown (40003). */
const UNKNOWN_OUTCOME = /^(?:08|57P|58|XX|40003)/;
const SCHEMA_MISSING_SQLITE = /no such (table|column)|has no column named/;

/**
 * The error of the driver, which TypeORM wraps. Accepts any value, because a driver may reject with one, or with none: a
 * TypeError here would hide the outage.
 */
function driverErrorOf(error: unknown): DriverError {
  const wrapped = error as { driverError?: unknown } | null | undefined;
  const driverError = wrapped?.driverError ?? error;
  return driverError instanceof Error ? driverError : { message: driverMessageOf(driverError) };
}

function driverMessageOf(value: unknown): string {
  if (typeof value === 'string') return value;
  const { message } = (value ?? {}) as { message?: unknown };
  return typeof message === 'string' ? message : `a ${typeof value} instead of an error`;
}

function isOneOf(codes: ReadonlySet<unknown>, error: unknown): boolean {
  const { code, errno } = driverErrorOf(error);
  return codes.has(code) || codes.has(errno);
}

/** The statement lost a race against another transaction. It had no effect, and may succeed when it is repeated. */
export const isSerializationFailure = (error: unknown): boolean =>
  isOneOf(SERIALIZATION_FAILURE, error);

/**
 * Whether the statement certainly had no effect: the server reported an SQLSTATE that leaves no doubt of the outcome. If it
 * were repeated after an unknown outcome, an attempt could be consumed twice.
 */
export function isRolledBack(error: unknown): boolean {
  const { code } = driverErrorOf(error);
  return (
    typeof code === 'string' &&
    isSqlState(code) &&
    !UNKNOWN_OUTCOME.test(code) &&
    !isReadOnly(error)
  );
}

/**
 * `isRolledBack` for MySQL and MariaDB, which report an SQLSTATE beside their own code: that of wrong values, a constraint, a trigger,
 * the syntax, missing privileges or a lost race leaves no doubt. Other errors, such as one of the COMMIT, leave the outcome open.
 * Checks of columns and missing defaults have no SQLSTATE of their own, and are known by their numbers.
 */
export function isUndone(error: unknown): boolean {
  const reported = driverErrorOf(error);
  const isRefused = /^(?:22|23|42|45)/.test(sqlStateOf(reported));
  const isSetUp = hasServerCode(reported) && refusalOf(reported).remedy === 'set-up';
  return isRefused || isSetUp || isSerializationFailure(error) || isBatchUnsupported(error);
}

/** Whether what failed with this error, a single statement or a COMMIT, was certainly refused as a whole. */
export function hadNoEffect(error: unknown, engine: Engine): boolean {
  return engine === 'postgres' ? isRolledBack(error) || isReadOnly(error) : isUndone(error);
}

/**
 * Whether MySQL or MariaDB has refused a statement and goes on with the connection. A server that is shutting down, a lost node and one
 * that accepts no writes would refuse the same statement again for each call of a batch.
 */
export function isRefusedByServer(error: unknown): boolean {
  const sqlState = sqlStateOf(driverErrorOf(error));
  return sqlState !== '' && !UNKNOWN_OUTCOME.test(sqlState) && !isReadOnly(error);
}

/** The SQLSTATE that `mysql2` and `mysql` report beside the error number; empty for an error of the driver. */
function sqlStateOf(reported: DriverError): string {
  const { sqlState } = reported as { readonly sqlState?: unknown };
  return typeof sqlState === 'string' ? sqlState : '';
}

/** The server does not know the syntax, such as a database derived from PostgreSQL without SKIP LOCKED or JSON. */
export const isBatchUnsupported = (error: unknown): boolean => isOneOf(BATCH_UNSUPPORTED, error);

/** `isBatchUnsupported` for an error that `translateDatabaseError` has returned. */
export const isStatementUnsupported = (error: unknown): boolean =>
  error instanceof TwoFactorError && isOneOf(BATCH_UNSUPPORTED, error.cause);

/** A row with this id exists, or a factor with this handle. */
export const isDuplicateKey = (error: unknown): boolean => isOneOf(DUPLICATE_KEY, error);

/** `isDuplicateKey` for an error that `translateDatabaseError` has returned. */
export const isTranslatedDuplicateKey = (error: unknown): boolean =>
  error instanceof TwoFactorError && isOneOf(DUPLICATE_KEY, error.cause);

/** The server of this connection accepts no writes. After a failover another server does. */
export const isReadOnly = (error: unknown): boolean => isOneOf(READ_ONLY, error);

/** The server ended the transaction of a COMMIT, because it lost a race or because its node has left the cluster. */
export const isCommitRefused = (error: unknown): boolean =>
  isSerializationFailure(error) || isOneOf(NODE_NOT_READY, error);

/**
 * The table was altered after this connection had prepared the statement. Nothing was executed, and a connection that prepares
 * it anew executes it.
 */
export function isPlanOutdated(error: unknown): boolean {
  const { routine } = driverErrorOf(error) as { readonly routine?: unknown };
  return routine === OUTDATED_PLAN_ROUTINE || isOneOf(OUTDATED_PLAN, error);
}

/** Whether a driver reported an error in words of its own: no server has sent it, and it is no lost connection either. */
export function isDriverOwnError(error: unknown): boolean {
  if (error instanceof TwoFactorError) return false;
  const reported = driverErrorOf(error);
  return !hasServerCode(reported) && refusalOf(reported) === UNKNOWN_REFUSAL;
}

/** A pooler in transaction mode sends the statement to a server session that has not prepared it. */
export const isPreparedStatementRefused = (error: unknown): boolean =>
  isOneOf(PREPARED_REFUSED, error);

/** The code and the words of a driver's error, for a log line. */
export function describeDatabaseError(error: unknown): string {
  const reported = driverErrorOf(error);
  return `${codeLabelOf(reported)}: ${reported.message}`;
}

/**
 * The error of this package for one of the database: its message names the cause and the code of the server. It asks for a repeated
 * call only when that may succeed. Its own cause has code and message only: TypeORM's error carries statement and
 * parameters, and an application would log them.
 */
export function translateDatabaseError(
  error: unknown,
  inCallersTransaction: boolean,
): TwoFactorError {
  if (error instanceof TwoFactorError) return error;
  const reported = driverErrorOf(error);
  const { code, errno, message } = reported;
  const label = codeLabelOf(reported);
  const cause = Object.assign(new Error(message), { code: code ?? errno });
  if (isOneOf(SCHEMA_MISSING, error) || SCHEMA_MISSING_SQLITE.test(message)) {
    return new TwoFactorConfigurationError(
      `The database lacks a table of this package as it should be (${label}: ${message}): run the migrations, that is, ` +
        'add ...twoFactorMigrations to the migrations of the data source, and set migrationsRun: true; for tables in ' +
        'another schema, set the schema of the data source.',
      { cause },
    );
  }
  if (inCallersTransaction && (isSerializationFailure(error) || isDuplicateKey(error))) {
    return new TwoFactorConflictError(
      `The transaction lost a race against another one and is dead (${label}). Roll it back; run it again if that makes ` +
        'sense.',
      { cause },
    );
  }
  const refusal = refusalOf(reported);
  const sentence = `${refusal.cause} (${label}). ${refusal.advice}`;
  if (refusal.remedy === 'set-up') return new TwoFactorConfigurationError(sentence, { cause });
  return new TwoFactorUnavailableError(sentence, {
    cause,
    ...(refusal.remedy === 'operator' && { retryAfterSeconds: null }),
  });
}
