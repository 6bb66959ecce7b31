import type { Engine, TableNames } from '../../../database/index.js';
import type { PurposeAccess } from '../../../options/index.js';
import type { ConfirmationRecord } from '../../model/confirmation-record.entity.js';
import type { QueueTable } from './queue-clauses.js';

export type ConfirmationTable = TableNames<keyof ConfirmationRecord>;

/** The table of the factors, as far as the statements of the confirmations read it. */
export interface FactorTable {
  readonly table: string;
  readonly id: string;
}

/** What the statements are built for. */
export interface StatementContext {
  readonly engine: Engine;
  readonly names: ConfirmationTable;
  /** Size of the key ring. */
  readonly keys: number;
  readonly purposes: PurposeAccess;
  /** `null` where messages are not queued. No statement then knows the table. */
  readonly queue: QueueTable | null;
  /** `null` without methods beside codes, and where a statement must not ask for the factor. No statement then knows the table. */
  readonly factors: FactorTable | null;
}

/** The differences between the engines' SQL. Everything else is written once, in `statements.ts`. */
export interface ConfirmationDialect {
  /** Ends an UPDATE so that it returns the row it affected; empty for an engine that cannot do that. */
  readonly returning: (table: ConfirmationTable) => string;
  /** Equality that distinguishes case, accents and trailing blanks; `list` is one or more placeholders. */
  readonly exactly: (column: string, list: string) => string;
  /**
   * The text of a column, for a comparison with a column of another table whose index and collation decide. Each of the two tables may
   * have any character set and collation.
   */
  readonly asKey: (column: string) => string;
  /** A placeholder as epoch milliseconds. */
  readonly epochMs: (placeholder: string) => string;
  /** Whether a placeholder's value is NULL. */
  readonly isAbsent: (placeholder: string) => string;
  /** Whether a column is one of the names in a placeholder's text, `,sms,email,`. One text keeps the statement the same. */
  readonly isAmong: (column: string, placeholder: string) => string;
  /** Ends a DELETE whose condition names no key, or a range of them; empty where none is refused for that. */
  readonly allRows: string;
  /** A SELECT that a read/write splitting proxy sends to the server that takes the writes. */
  readonly onPrimary: (select: string, orderBy?: string) => string;
  /** Ends an INSERT so that a taken id is no error, where an error would end the caller's transaction. */
  readonly unlessTaken: (table: ConfirmationTable) => string;
}
