/**
 * The party that can end a refusal of the database.
 *
 * - `caller`: the same call may succeed in a moment.
 * - `operator`: the server must be repaired first; the set-up of the application is right.
 * - `set-up`: the application or its tables must be set up in another way.
 */
export type Remedy = 'caller' | 'operator' | 'set-up';

/** One cause for which a database refuses, and the codes by which servers and drivers report it. */
export interface Refusal {
  /** A whole sentence for the log, without its full stop: the code of the server follows in parentheses. */
  readonly cause: string;
  /** The remedy, for the message of the error: a whole sentence. */
  readonly advice: string;
  readonly remedy: Remedy;
  /** SQLSTATEs of PostgreSQL, error numbers of MariaDB and MySQL, codes of better-sqlite3 and of Node's sockets. */
  readonly codes: ReadonlySet<unknown>;
  /** Matches the message of a driver that reports no code. */
  readonly message?: RegExp;
}

const TRY_AGAIN = 'Try again.';

/** The known causes. The first one that matches an error is its cause, so that the order matters. */
const REFUSALS: readonly Refusal[] = [
  {
    cause: 'The user of the database lacks a privilege',
    advice: 'Grant it SELECT, INSERT, UPDATE and DELETE on the tables of this package.',
    remedy: 'set-up',
    codes: new Set<unknown>(['42501', 1142, 1143, 1227, 1044, 1370, 'SQLITE_PERM', 'SQLITE_AUTH']),
  },
  {
    cause: 'The server refuses the login, or has no such database',
    advice: 'Correct host, database, user and password of the data source.',
    remedy: 'set-up',
    codes: new Set<unknown>(['28P01', '28000', '3D000', 1045, 1049, 1251, 1698, 'SQLITE_CANTOPEN']),
    message: /^SASL: /,
  },
  {
    cause: 'The character set of a column cannot hold a text',
    advice: 'Create the database with UTF8, or convert the tables of this package to utf8mb4.',
    remedy: 'set-up',
    codes: new Set<unknown>(['22P05', '22021', 1300, 1366, 1267, 3854, 3988]),
  },
  {
    cause: 'A column, a constraint or a trigger refuses a row of this package',
    advice:
      'Make the tables what the migrations make of them, and put no rules of your own on them.',
    remedy: 'set-up',
    codes: new Set<unknown>([
      '22001',
      '22003',
      '23502',
      '23503',
      '23514',
      '42804',
      '42P10',
      'P0001',
      1048,
      1264,
      1265,
      1364,
      1406,
      1452,
      1644,
      3819,
      4025,
      'SQLITE_CONSTRAINT_NOTNULL',
      'SQLITE_CONSTRAINT_CHECK',
      'SQLITE_CONSTRAINT_TRIGGER',
    ]),
  },
  {
    cause: 'The server does not understand a statement of this package',
    advice: 'Use a database and a version that docs/versions.md names.',
    remedy: 'set-up',
    codes: new Set<unknown>(['42601', '42883', '42704', 1064, 1305, 1175]),
  },
  {
    cause: 'The server accepts no writes: it is a replica, or was made read-only',
    advice: 'Connect to the primary, or make the server writable.',
    remedy: 'operator',
    codes: new Set<unknown>(['25006', 1290, 1792, 1836, 'SQLITE_READONLY']),
    message: /attempt to write a readonly database/,
  },
  {
    cause: 'The disk or the table space of the server is full',
    advice: 'Free some space.',
    remedy: 'operator',
    codes: new Set<unknown>(['53100', 1021, 1114, 'SQLITE_FULL']),
    message: /database or disk is full/,
  },
  {
    cause: 'The files of the database are damaged',
    advice: 'Restore them.',
    remedy: 'operator',
    codes: new Set<unknown>([
      'XX001',
      'XX002',
      1034,
      1194,
      1712,
      'SQLITE_CORRUPT',
      'SQLITE_NOTADB',
    ]),
  },
  {
    cause: 'The server has no more connections for this application',
    advice: TRY_AGAIN,
    remedy: 'caller',
    codes: new Set<unknown>(['53300', 1040, 1203, 1226]),
  },
  {
    cause: 'The server, or its driver, ended a statement that took too long',
    advice: TRY_AGAIN,
    remedy: 'caller',
    codes: new Set<unknown>(['57014', '55P03', 1205, 1969, 3024, 'PROTOCOL_SEQUENCE_TIMEOUT']),
    message: /^Query read timeout$/,
  },
  {
    cause: 'The transaction kept losing races against others',
    advice: TRY_AGAIN,
    remedy: 'caller',
    codes: new Set<unknown>([
      '40001',
      '40P01',
      '22012',
      1213,
      1020,
      3101,
      'SQLITE_BUSY',
      'SQLITE_BUSY_SNAPSHOT',
      'SQLITE_LOCKED',
    ]),
  },
  {
    cause: 'The node of the cluster is not ready for statements',
    advice: TRY_AGAIN,
    remedy: 'caller',
    codes: new Set<unknown>([1047]),
  },
  {
    cause: 'The server is shutting down or starting',
    advice: TRY_AGAIN,
    remedy: 'caller',
    codes: new Set<unknown>(['57P01', '57P02', '57P03', 1053, 1152, 1927]),
  },
  {
    cause: 'The server cannot be reached',
    advice: TRY_AGAIN,
    remedy: 'caller',
    codes: new Set<unknown>([
      'ECONNREFUSED',
      'EHOSTUNREACH',
      'ENETUNREACH',
      'ENOTFOUND',
      'EAI_AGAIN',
      'ENOENT',
      'ETIMEDOUT',
      '08001',
      '08004',
    ]),
    message: /timeout exceeded when trying to connect|due to connection timeout/,
  },
  {
    cause: 'The connection to the server was lost',
    advice: TRY_AGAIN,
    remedy: 'caller',
    codes: new Set<unknown>([
      '08000',
      '08003',
      '08006',
      '08007',
      '08P01',
      '40003',
      'ECONNRESET',
      'EPIPE',
      'PROTOCOL_CONNECTION_LOST',
      2006,
      2013,
      2055,
    ]),
    message: /^Connection terminated|Client has encountered a connection error|closed state/,
  },
];

/** For an error that is not listed. */
export const UNKNOWN_REFUSAL: Refusal = {
  cause: 'The database could not do it now',
  advice: TRY_AGAIN,
  remedy: 'caller',
  codes: new Set(),
};

/** The members of a driver's error by which its cause is found. */
export interface DriverError {
  readonly code?: unknown;
  readonly errno?: unknown;
  readonly message: string;
}

/** Finds the cause of an error that the driver reported. For an error that is not in the list, a repeated call may succeed. */
export function refusalOf({ code, errno, message }: DriverError): Refusal {
  const primary = primaryCodeOf(code);
  const refusal = REFUSALS.find(
    ({ codes, message: words }) =>
      codes.has(code) || codes.has(errno) || codes.has(primary) || words?.test(message) === true,
  );
  return refusal ?? UNKNOWN_REFUSAL;
}

/** better-sqlite3 reports extended codes, such as `SQLITE_READONLY_DBMOVED`; the first two words are the primary code. */
function primaryCodeOf(code: unknown): unknown {
  if (typeof code !== 'string' || !code.startsWith('SQLITE_')) return code;
  return code.split('_', 2).join('_');
}

const SQLSTATE = /^[0-9A-Z]{5}$/;

/** Whether a code is an SQLSTATE. Codes of Node's sockets such as EPIPE have five letters as well, and no digit. */
export function isSqlState(code: string): boolean {
  return SQLSTATE.test(code) && /\d/.test(code);
}

/** The code as an operator looks it up: `SQLSTATE 42501`, `errno 1142, ER_TABLEACCESS_DENIED_ERROR`, `ECONNRESET`. */
export function codeLabelOf({ code, errno }: DriverError): string {
  const name = typeof code === 'string' && code !== '' ? code : undefined;
  // Node numbers the errors of its sockets below zero, and their names say more.
  const number = typeof errno === 'number' && errno > 0 ? errno : undefined;
  if (number !== undefined)
    return name === undefined ? `errno ${number}` : `errno ${number}, ${name}`;
  if (name === undefined) return typeof code === 'number' ? `errno ${code}` : 'no code';
  return isSqlState(name) ? `SQLSTATE ${name}` : name;
}

/** Whether the code is one that a server sends. */
export function hasServerCode({ code, errno }: DriverError): boolean {
  return (typeof errno === 'number' && errno > 0) || (typeof code === 'string' && isSqlState(code));
}
