import type { DataSource, EntityManager } from 'typeorm';

import { idBound } from '../crypto/index.js';
import {
  listValues,
  StatementRunner,
  tableNames,
  type StatementResult,
  type StatementRunnerOptions,
} from '../database/index.js';
import { TwoFactorConfigurationError } from '../errors/index.js';
import { ConfirmationRecord, type ConfirmationRow } from './confirmation-record.entity.js';
import { confirmationStatements, type ConfirmationStatements } from './dialects/statements.js';

export type NewConfirmation = Pick<
  ConfirmationRow,
  | 'id'
  | 'purpose'
  | 'subject'
  | 'detailsMac'
  | 'maxAttempts'
  | 'createdAt'
  | 'expiresAt'
  | 'way'
  | 'codeMac'
  | 'envelope'
  | 'confirmedAt'
  | 'useBefore'
> & {
  /** JSON texts. */
  readonly details: string | null;
  readonly meta: string | null;
};

export interface ConfirmValues {
  readonly id: string;
  /** One candidate for each key of the ring. */
  readonly codeMacs: readonly string[];
  readonly now: number;
  readonly useBefore: number;
}

export interface UseValues {
  readonly id: string;
  readonly purpose: string;
  readonly subject: string;
  /** One candidate for each key of the ring, all empty for no details. */
  readonly detailsMacs: readonly string[];
  readonly now: number;
  readonly useKey: string | null;
}

export interface BindValues {
  readonly id: string;
  readonly way: string;
  readonly envelope: string;
  readonly codeMac: string;
  readonly seenSends: number;
  readonly maxSends: number;
  readonly now: number;
  /** The last message must have gone out by then. */
  readonly sentBefore: number;
}

/** All SQL of the confirmations. It knows neither codes nor secrets, and decides nothing. */
export class ConfirmationStore {
  private constructor(
    private readonly runner: StatementRunner,
    private readonly statements: ConfirmationStatements,
  ) {}

  /** @throws TwoFactorConfigurationError when the data source does not know the entity or is of a foreign engine. */
  static open(
    dataSource: DataSource,
    options: StatementRunnerOptions & { readonly keys: number },
  ): ConfirmationStore {
    if (!dataSource.hasMetadata(ConfirmationRecord)) {
      throw new TwoFactorConfigurationError(
        'The data source does not know the entity ConfirmationRecord. Add ...TWO_FACTOR_ENTITIES to its entities, or ' +
          'set autoLoadEntities: true.',
      );
    }
    const runner = new StatementRunner(dataSource, options);
    const names = tableNames(dataSource, ConfirmationRecord);
    return new ConfirmationStore(
      runner,
      confirmationStatements(runner.engine, names, options.keys),
    );
  }

  async insert(row: NewConfirmation, manager?: EntityManager): Promise<void> {
    await this.runner.run(this.statements.insert, { ...row }, manager);
  }

  /** False when the id is taken, and nothing is written then. */
  async insertUnlessTaken(row: NewConfirmation, manager?: EntityManager): Promise<boolean> {
    return touched(await this.runner.run(this.statements.insertUnlessTaken, { ...row }, manager));
  }

  async find(id: string, manager?: EntityManager): Promise<ConfirmationRow | null> {
    const { rows } = await this.runner.run(this.statements.find, { id }, manager);
    return rows[0] ? rowOf(rows[0]) : null;
  }

  /** Charges an attempt and compares. `null` when there was nothing to charge: unknown, or not pending. */
  async confirm(
    values: ConfirmValues,
  ): Promise<{ row: ConfirmationRow; confirmed: boolean } | null> {
    const { codeMacs, ...rest } = values;
    const result = await this.runner.run(this.statements.confirm, {
      ...rest,
      ...listValues('codeMac', codeMacs),
    });
    const row = await this.#touchedRow(result, values.id);
    if (row === null) return null;
    // Where the row is read by a second statement, it may have moved on: but a confirmed row keeps its MAC for ever, so
    // this is our code and our time, or that of somebody who typed the same right code in the same millisecond.
    const confirmed = row.confirmedAt === values.now && codeMacs.includes(row.codeMac ?? '');
    return { row, confirmed };
  }

  async confirmByHand(id: string, now: number, useBefore: number): Promise<ConfirmationRow | null> {
    return this.#touchedRow(
      await this.runner.run(this.statements.confirmByHand, { id, now, useBefore }),
      id,
    );
  }

  /** Spends the proof; true for one caller. */
  async use({ detailsMacs, ...rest }: UseValues, manager?: EntityManager): Promise<boolean> {
    const values = { ...rest, ...listValues('detailsMac', detailsMacs) };
    return touched(await this.runner.run(this.statements.use, values, manager));
  }

  /** Charges one message. `null` when somebody was faster or the confirmation is not to be sent. */
  async bind(values: BindValues): Promise<ConfirmationRow | null> {
    return this.#touchedRow(await this.runner.run(this.statements.bind, { ...values }), values.id);
  }

  /** Lets a message that was not accepted be repeated before its cooldown is over. */
  async retrySooner(id: string, seenSends: number, lastSentAt: number): Promise<void> {
    await this.runner.run(this.statements.retrySooner, { id, seenSends, lastSentAt });
  }

  async cancel(id: string, now: number): Promise<boolean> {
    return touched(await this.runner.run(this.statements.cancel, { id, now }));
  }

  async erase(subject: string): Promise<number> {
    return (await this.runner.run(this.statements.erase, { subject })).affected;
  }

  /** Deletes up to `limit` rows that could neither be confirmed nor used since `before` (epoch milliseconds). */
  async purge(before: number, limit: number): Promise<number> {
    const values = { bound: idBound(before), before, limit };
    return (await this.runner.run(this.statements.purge, values)).affected;
  }

  /** The row an UPDATE touched: as it answered it, or read after it where the engine answers none. */
  async #touchedRow(result: StatementResult, id: string): Promise<ConfirmationRow | null> {
    if (!touched(result)) return null;
    return result.rows[0] ? rowOf(result.rows[0]) : this.find(id);
  }
}

function touched({ rows, affected }: StatementResult): boolean {
  return rows.length > 0 || affected > 0;
}

function rowOf(raw: Readonly<Record<string, unknown>>): ConfirmationRow {
  const record = raw as unknown as Record<keyof ConfirmationRecord, string & number>;
  return {
    ...record,
    details: json(record.details),
    meta: json(record.meta),
    createdAt: Number(record.createdAt),
    expiresAt: Number(record.expiresAt),
    lastSentAt: time(record.lastSentAt),
    confirmedAt: time(record.confirmedAt),
    useBefore: time(record.useBefore),
    usedAt: time(record.usedAt),
    cancelledAt: time(record.cancelledAt),
  };
}

function time(value: number | string | null): number | null {
  return value === null ? null : Number(value);
}

function json(text: string | null): unknown {
  return text === null ? null : JSON.parse(text);
}
