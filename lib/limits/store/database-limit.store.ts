import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import type { DataSource, EntityManager } from 'typeorm';

import {
  assertEntity,
  assertReturning,
  listValues,
  StatementRunner,
  tableNames,
  type SqlValues,
  type StatementRunnerOptions,
} from '../../database/index.js';
import { TwoFactorUnavailableError } from '../../errors/index.js';
import type { Clock } from '../../options/index.js';
import { chargeRow, failureRuleOf, failureValues } from './dialects/charge-values.js';
import { limitStatements, type LimitStatements } from './dialects/statements.js';
import { LimitRecord } from './limit-record.entity.js';
import { isExhausted, UNLOCKED_MS } from './limit-rules.js';
import type {
  ConsumeResult,
  QuotaRequest,
  QuotaUsage,
  LimitStore,
} from './limit-store.interface.js';

export interface DatabaseLimitStoreOptions extends StatementRunnerOptions {
  readonly clock: Clock;
}

/** A budget that was spent when it was charged and free when it was looked at why: so often, then it is too busy. */
const ROUNDS = 20;
const MAX_PAUSE_MS = 20;
const CALL_BYTES = 8;

/** All SQL of the budgets: one guarded statement charges all that a call spends, in the order of their keys. */
export class DatabaseLimitStore implements LimitStore {
  #purgedUpTo = '';

  private constructor(
    private readonly runner: StatementRunner,
    private readonly statements: LimitStatements,
    private readonly clock: Clock,
    private readonly timeoutMs: number,
  ) {}

  /** @throws TwoFactorConfigurationError when the data source does not know the entity, or its engine cannot do it. */
  static async open(
    dataSource: DataSource,
    options: DatabaseLimitStoreOptions,
  ): Promise<DatabaseLimitStore> {
    assertEntity(dataSource, LimitRecord);
    await assertReturning(dataSource);
    const runner = new StatementRunner(dataSource, options);
    const statements = limitStatements(runner.engine, tableNames(dataSource, LimitRecord));
    return new DatabaseLimitStore(runner, statements, options.clock, options.timeoutMs);
  }

  /** To charge in the statements of the confirmations, where the engine can. Their values: `clauseValues`. */
  get clauses(): LimitStatements['clauses'] {
    return this.statements.clauses;
  }

  async consume(charges: readonly QuotaRequest[], owner: string): Promise<ConsumeResult> {
    const spending = charges.filter(({ checkOnly }) => !checkOnly);
    // A slow database is not asked for longer than anyone waits for the answer.
    const endsAt = performance.now() + this.timeoutMs;
    for (let round = 0; round < ROUNDS && performance.now() < endsAt; round += 1) {
      if (round > 0) await sleep(Math.random() * MAX_PAUSE_MS);
      if (spending.length === 0 || !this.statements.chargesAllOrNothing) {
        const refused = await this.#spent(charges);
        if (refused.length > 0 || spending.length === 0)
          return { exhausted: refused, consumed: [] };
      }
      const charged = await this.#tryCharge(charges, owner);
      if (charged.length === spending.length) return { exhausted: [], consumed: charged };
      // Somebody came in between and got the last of one of them.
      const keys = new Set(charged.map(({ key }) => key));
      await this.refund(spending.filter(({ key }) => keys.has(key)));
      const refused = await this.#spent(charges);
      if (refused.length > 0) return { exhausted: refused, consumed: [] };
    }
    throw new TwoFactorUnavailableError('The limits are contended. Try again.');
  }

  async refund(charges: readonly QuotaRequest[]): Promise<void> {
    if (charges.length === 0) return;
    const values = (): SqlValues => ({
      lockAfter: failureRuleOf(charges)?.lockAfter ?? 0,
      unlocked: this.clock.now() + UNLOCKED_MS,
      ...keyValues(charges.map(({ key }) => key)),
    });
    await this.runner.run(this.statements.refund(charges.length), values);
  }

  async release(keys: readonly string[], owner?: string): Promise<void> {
    if (keys.length === 0) return;
    const statement = this.statements[owner === undefined ? 'clearAll' : 'clear'](keys.length);
    await this.runner.run(statement, () => ({ ...keyValues(keys), owner: owner ?? '' }));
  }

  async read(keys: readonly string[], manager?: EntityManager): Promise<QuotaUsage[]> {
    if (keys.length === 0) return [];
    const { rows } = await this.runner.run(
      this.statements.read(keys.length),
      () => keyValues(keys),
      manager,
    );
    return rows.map(levelOf);
  }

  async purge(limit: number): Promise<boolean> {
    const after = this.#purgedUpTo;
    const { rows } = await this.runner.run(this.statements.keysAfter, () => ({ after, limit }));
    const last = rows.at(-1)?.['id'] as string | undefined;
    const isMore = rows.length === limit;
    // After the last ones the next round begins at the first.
    this.#purgedUpTo = isMore && last !== undefined ? last : '';
    if (last === undefined) return false;
    const values = (): SqlValues => ({ after, last, now: this.clock.now() });
    await this.runner.run(this.statements.purge, values);
    return isMore;
  }

  async #tryCharge(charges: readonly QuotaRequest[], whose: string): Promise<QuotaUsage[]> {
    const { chargesAllOrNothing } = this.statements;
    const said = chargesAllOrNothing ? charges : charges.filter(({ checkOnly }) => !checkOnly);
    // For whom, and by which call: two calls may be for the same.
    const owner = whose + randomBytes(CALL_BYTES).toString('hex');
    const values = (): SqlValues => {
      const now = this.clock.now();
      const rows = said.map((charge, index) => {
        const row = Object.entries(chargeRow(charge, now));
        return Object.fromEntries(row.map(([name, value]) => [`${name}${index}`, value]));
      });
      return Object.assign({ now, owner, ...failureValues(failureRuleOf(said)) }, ...rows);
    };
    const result = await this.runner.run(this.statements.charge(said.length), values);
    // Where a refused row is answered too, it is another one's.
    return result.rows.filter((row) => (row['owner'] ?? owner) === owner).map(levelOf);
  }

  async #spent(charges: readonly QuotaRequest[]): Promise<QuotaUsage[]> {
    const levels = await this.read(charges.map(({ key }) => key));
    const now = this.clock.now();
    const byKey = new Map(charges.map((charge) => [charge.key, charge]));
    return levels.filter((level) => isExhausted(level, byKey.get(level.key)!, now));
  }
}

function keyValues(keys: readonly string[]): Record<string, string> {
  return listValues('id', keys);
}

function levelOf(row: Readonly<Record<string, unknown>>): QuotaUsage {
  return { key: String(row['id']), amount: Number(row['amount']), endsAt: Number(row['endsAt']) };
}
