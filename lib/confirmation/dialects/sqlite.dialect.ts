import type { ConfirmationDialect } from './confirmation-dialect.js';
import { postgresDialect } from './postgres.dialect.js';

/** SQLite 3.35 and later speak PostgreSQL's RETURNING and ON CONFLICT. */
export const sqliteDialect: ConfirmationDialect = postgresDialect;
