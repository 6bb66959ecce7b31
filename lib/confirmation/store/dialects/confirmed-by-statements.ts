import { Statement } from '../../../database/index.js';
import type { StatementContext } from './confirmation-dialect.js';
import { confirmationClauses, DIALECTS } from './statements.js';

/** Statements that use a proof only if certain methods confirmed it. Calls that ask for none have statements without. */
export type ConfirmedByStatements = Readonly<Record<'use' | 'reserve', Statement>>;

/**
 * `:confirmedBy` has the methods one of which must have confirmed it, such as `,totp,`; NULL allows any. Where `:ways` restricts
 * the senders, a code must have been sent by one of them; `:methodsWithoutSender` has the methods that send nothing and are
 * allowed all the same.
 */
export function confirmedByStatements(context: StatementContext): ConfirmedByStatements {
  const { engine, names } = context;
  const { table, column: c } = names;
  const { use, hasAllowedSender } = confirmationClauses(context);
  const { isAbsent, isAmong, returning } = DIALECTS[engine];
  const sql = `
    UPDATE ${table} SET ${use.set} WHERE ${use.where}
      AND (${isAbsent(':confirmedBy')} OR ${isAmong(c.confirmedBy, ':confirmedBy')})
      AND (${isAbsent(':ways')} OR (${c.confirmedBy} IN ('code', 'hand') AND ${hasAllowedSender})
        OR ${isAmong(c.confirmedBy, ':methodsWithoutSender')})`;
  return {
    use: new Statement(engine, sql),
    reserve: new Statement(engine, `${sql} ${returning(names)}`),
  };
}
