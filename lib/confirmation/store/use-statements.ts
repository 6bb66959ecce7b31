import {
  type BatchSpec,
  listValues,
  type SqlValues,
  type Statement,
} from '../../database/index.js';
import type { Clock } from '../../options/index.js';
import { subjectInColumn } from '../model/ascii-columns.js';
import { commaList } from '../model/ways.js';
import type { CallLists } from './call-lists.js';
import type { BatchStatements } from './dialects/batch-statements.js';
import type { ConfirmedByStatements } from './dialects/confirmed-by-statements.js';
import type { BatchName, ConfirmationStatements } from './dialects/statements.js';
import type { UseValues } from './store-values.js';

/** A statement that uses a proof, and how its call may be batched. */
export interface PreparedUse {
  readonly statement: Statement;
  readonly values: () => SqlValues;
  readonly batch: BatchSpec | null;
  /** How MySQL and MariaDB execute it together with others. */
  readonly listed: CallLists['use'] | null;
}

interface UseOptions {
  readonly clock: Clock;
  readonly hasMethods?: boolean | undefined;
  readonly hasSenderRules?: boolean | undefined;
}

/** `null` where no call is batched in this way. */
export function batchSpecOf(
  batches: BatchStatements | null,
  name: BatchName,
  id: string,
  values: () => SqlValues,
): BatchSpec | null {
  if (batches === null) return null;
  const { many: batchStatement, one, rest } = batches[name];
  const others = { singleStatement: one, followUpStatement: rest };
  return { batchStatement, keys: [id], values, ...others };
}

/** Chooses the statement by which a proof is used or reserved. */
export class UseStatements {
  constructor(
    private readonly statements: ConfirmationStatements,
    private readonly confirmedBy: ConfirmedByStatements,
    private readonly batches: BatchStatements | null,
    private readonly lists: CallLists | null,
    private readonly options: UseOptions,
  ) {}

  prepare(name: keyof ConfirmedByStatements, given: UseValues): PreparedUse {
    if (this.#isByMethod(given)) {
      const { confirmedBy, methodsWithoutSender } = given;
      const values = (): SqlValues => ({
        confirmedBy: commaList(confirmedBy),
        methodsWithoutSender: commaList(methodsWithoutSender),
        ...this.#useValues(given),
      });
      return { statement: this.confirmedBy[name], values, batch: null, listed: null };
    }
    const restrictsSenders = this.#restrictsSenders(given);
    const statementName = restrictsSenders ? (`${name}ByAllowedSender` as const) : name;
    const values = (): SqlValues => this.#useValues(given);
    const batch = batchSpecOf(this.batches, statementName, given.id, values);
    const listed = this.lists && this.lists[restrictsSenders ? 'useByAllowedSender' : 'use'];
    return { statement: this.statements[statementName], values, batch, listed };
  }

  /** Whether the method that confirmed it matters. Without methods beside codes only a caller can ask for that. */
  #isByMethod({ confirmedBy, ways }: UseValues): boolean {
    return confirmedBy !== null || (ways !== null && this.options.hasMethods === true);
  }

  /** Whether the statement compares the sender. Where one purpose needs that, all calls do it, so that they are batched together. */
  #restrictsSenders({ ways }: UseValues): boolean {
    return ways !== null || this.options.hasSenderRules === true;
  }

  #useValues({ id, purpose, useKey, detailsMacs, ...given }: UseValues): SqlValues {
    const now = this.options.clock.now();
    const subject = subjectInColumn(given.subject);
    const ways = commaList(given.ways);
    return { id, purpose, subject, useKey, now, ways, ...listValues('detailsMac', detailsMacs) };
  }
}
