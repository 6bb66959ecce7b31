import {
  TwoFactorConfigurationError,
  TwoFactorConflictError,
  TwoFactorError,
  TwoFactorUnavailableError,
} from '../errors/index.js';

/** division_by_zero: how a statement of ours takes back what it has done, when somebody came in between. */
const SELF_ROLLBACK_SQLSTATE = '22012';

/** SQLSTATE serialization_failure and deadlock_detected; MySQL deadlock, lock wait time-out, changed snapshot; SQLite busy. */
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
 * duplicate_prepared_statement, invalid_sql_statement_name, feature_not_supported; MySQL unknown prepared statement, not
 * supported as one, too many of them, to be prepared again: refused before it ran.
 */
const PREPARED_REFUSED = new Set<unknown>(['42P05', '26000', '0A000', 1243, 1295, 1461, 1615]);
/** read_only_sql_transaction; MySQL --read-only, read-only transaction and mode. */
const READ_ONLY = new Set<unknown>(['25006', 1290, 1792, 1836]);
const BATCH_UNSUPPORTED = new Set<unknown>(['42601', '0A000', '42883']);
/** unique_violation; MySQL duplicate entry; SQLite. */
const DUPLICATE_KEY = new Set<unknown>([
  '23505',
  1062,
  'SQLITE_CONSTRAINT_PRIMARYKEY',
  'SQLITE_CONSTRAINT_UNIQUE',
]);
const SCHEMA_MISSING = new Set<unknown>(['42P01', '42703', '3F000', 1146, 1054]);
const SQLSTATE = /^[0-9A-Z]{5}$/;
/** Of a connection that breaks (08), an operator (57P), the system (58, XX), a commit with an unknown outcome (40003). */
const UNKNOWN_OUTCOME = /^(?:08|57P|58|XX|40003)/;
const SCHEMA_MISSING_SQLITE = /no such (table|column)|has no column named/;

interface DriverError {
  readonly code?: unknown;
  readonly errno?: unknown;
  readonly message: string;
}

/**
 * What the driver itself said, out of TypeORM's wrapping. Takes anything: an error of this package may have no cause, and a
 * driver may reject with anything, also with nothing. Failing here would hide the outage behind an error of our own.
 */
function driverErrorOf(error: unknown): DriverError {
  const wrapped = error as { driverError?: unknown } | null | undefined;
  const driverError = wrapped?.driverError ?? error;
  return driverError instanceof Error ? driverError : { message: messageOf(driverError) };
}

function messageOf(value: unknown): string {
  if (typeof value === 'string') return value;
  const { message } = (value ?? {}) as { message?: unknown };
  return typeof message === 'string' ? message : `a ${typeof value} instead of an error`;
}

function isOneOf(codes: ReadonlySet<unknown>, error: unknown): boolean {
  const { code, errno } = driverErrorOf(error);
  return codes.has(code) || codes.has(errno);
}

/** Another transaction was faster. Nothing of this statement happened, and the same statement may succeed now. */
export const isSerializationFailure = (error: unknown): boolean =>
  isOneOf(SERIALIZATION_FAILURE, error);

/** The server itself reported that it did not run the statement: by an SQLSTATE that leaves no doubt of the outcome. */
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

/** syntax_error, feature_not_supported, undefined_function: a relative of PostgreSQL without SKIP LOCKED or JSON. */
export const isBatchUnsupported = (error: unknown): boolean => isOneOf(BATCH_UNSUPPORTED, error);

/** The same of an error that has been translated. */
export const isStatementUnsupported = (error: unknown): boolean =>
  error instanceof TwoFactorUnavailableError && isOneOf(BATCH_UNSUPPORTED, error.cause);

/** The only unique column is the id: the row is there. */
export const isDuplicateKey = (error: unknown): boolean => isOneOf(DUPLICATE_KEY, error);

/** The server behind this connection takes no writes, perhaps because another one does since. */
export const isReadOnly = (error: unknown): boolean => isOneOf(READ_ONLY, error);

/** A pooler that shares server connections between transactions does not know our prepared statement. */
export const isPreparedStatementRefused = (error: unknown): boolean =>
  isOneOf(PREPARED_REFUSED, error);

/**
 * The error that leaves this package for one of the database. The cause keeps code and message but neither statement nor
 * parameters, which TypeORM's error carries.
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
