import {
  TwoFactorConfigurationError,
  TwoFactorConflictError,
  TwoFactorError,
  TwoFactorUnavailableError,
} from '../errors/index.js';

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
  'SQLITE_BUSY',
  'SQLITE_BUSY_SNAPSHOT',
]);
/**
 * PostgreSQL duplicate_prepared_statement, invalid_sql_statement_name, feature_not_supported; MySQL unknown prepared
 * statement, not preparable, too many prepared statements, to be prepared again. All are reported before execution.
 */
const PREPARED_REFUSED = new Set<unknown>(['42P05', '26000', '0A000', 1243, 1295, 1461, 1615]);
/** PostgreSQL read_only_sql_transaction; MySQL --read-only, read-only transaction, read-only mode. */
const READ_ONLY = new Set<unknown>(['25006', 1290, 1792, 1836]);
/** PostgreSQL syntax_error, feature_not_supported, undefined_function. */
const BATCH_UNSUPPORTED = new Set<unknown>(['42601', '0A000', '42883']);
/** PostgreSQL unique_violation; MySQL duplicate entry; SQLite. */
const DUPLICATE_KEY = new Set<unknown>([
  '23505',
  1062,
  'SQLITE_CONSTRAINT_PRIMARYKEY',
  'SQLITE_CONSTRAINT_UNIQUE',
]);
/** PostgreSQL undefined_table, undefined_column, invalid_schema_name; MySQL unknown table, unknown column. */
const SCHEMA_MISSING = new Set<unknown>(['42P01', '42703', '3F000', 1146, 1054]);
const SQLSTATE = /^[0-9A-Z]{5}$/;
/** A broken connection (08), an operator's intervention (57P), a system error (58, XX), statement_completion_unknown (40003). */
const UNKNOWN_OUTCOME = /^(?:08|57P|58|XX|40003)/;
const SCHEMA_MISSING_SQLITE = /no such (table|column)|has no column named/;

interface DriverError {
  readonly code?: unknown;
  readonly errno?: unknown;
  readonly message: string;
}

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
    SQLSTATE.test(code) &&
    /\d/.test(code) &&
    !UNKNOWN_OUTCOME.test(code) &&
    !isReadOnly(error)
  );
}

/** The server does not know the syntax, such as a database derived from PostgreSQL without SKIP LOCKED or JSON. */
export const isBatchUnsupported = (error: unknown): boolean => isOneOf(BATCH_UNSUPPORTED, error);

/** `isBatchUnsupported` for an error that `translateDatabaseError` has returned. */
export const isStatementUnsupported = (error: unknown): boolean =>
  error instanceof TwoFactorUnavailableError && isOneOf(BATCH_UNSUPPORTED, error.cause);

/** The id is the only unique column, so that a row with this id exists. */
export const isDuplicateKey = (error: unknown): boolean => isOneOf(DUPLICATE_KEY, error);

/** The server of this connection accepts no writes. After a failover another server does. */
export const isReadOnly = (error: unknown): boolean => isOneOf(READ_ONLY, error);

/** A pooler in transaction mode sends the statement to a server session that has not prepared it. */
export const isPreparedStatementRefused = (error: unknown): boolean =>
  isOneOf(PREPARED_REFUSED, error);

/**
 * The error of this package for one of the database. Its cause has code and message only: TypeORM's error carries statement
 * and parameters, and an application would log them.
 */
export function translateDatabaseError(
  error: unknown,
  inCallersTransaction: boolean,
): TwoFactorError {
  if (error instanceof TwoFactorError) return error;
  const { code, errno, message } = driverErrorOf(error);
  const cause = Object.assign(new Error(message), { code: code ?? errno });
  if (isOneOf(SCHEMA_MISSING, error) || SCHEMA_MISSING_SQLITE.test(message)) {
    return new TwoFactorConfigurationError(
      `The database lacks a table of this package as it should be (${message}): run the migrations, that is, add ` +
        '...twoFactorMigrations to the migrations of the data source, and set migrationsRun: true.',
      { cause },
    );
  }
  if (inCallersTransaction && isSerializationFailure(error)) {
    return new TwoFactorConflictError(
      'The transaction lost a race against another one and is dead. Roll it back; run it again if that makes sense.',
      { cause },
    );
  }
  return new TwoFactorUnavailableError('The database could not do it now. Try again.', { cause });
}
