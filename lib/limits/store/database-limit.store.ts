import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import type { DataSource, EntityManager } from 'typeorm';

import {
  assertEntity,
  assertReturning,
  listValues,
  StatementRunner,
  tableNames,
  type Deadline,
  type SqlValues,
  type StatementRunnerOptions,
} from '../../database/index.js';
import { TwoFactorUnavailableError } from '../../errors/index.js';
import type { Clock } from '../../options/index.js';
import { quotaRow, failureRuleOf, failureRuleValues } from './dialects/quota-values.js';
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

/** How often a call repeats its statement because a quota was exhausted when it consumed, and free when it was read. */
const ROUNDS = 20;
const MAX_PAUSE_MS = 20;
const CALL_BYTES = 8;

/** All SQL of the quotas. One guarded statement consumes all quotas of a call, in the order of their keys. */
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

  /** Parts of the statements of the confirmations, for engines that can consume quotas in them; `null` for others. */
  get clauses(): LimitStatements['clauses'] {
    return this.statements.clauses;
  }

  /** @param deadline of the call that consumes the quotas: none is consumed after it. */
  async consume(
    charges: readonly QuotaRequest[],
    owner: string,
    deadline?: Deadline,
  ): Promise<ConsumeResult> {
    const consuming = charges.filter(({ checkOnly }) => !checkOnly);
    // No further statement is issued when the caller has already timed out.
    const endsAt = performance.now() + this.timeoutMs;
    for (let round = 0; round < ROUNDS && performance.now() < endsAt; round += 1) {
      if (round > 0) await sleep(Math.random() * MAX_PAUSE_MS);
      if (consuming.length === 0 || !this.statements.consumesAllOrNothing) {
        const exhausted = await this.#exhaustedOf(charges, deadline);
        if (exhausted.length > 0 || consuming.length === 0) return { exhausted, consumed: [] };
      }
      const consumed = await this.#tryConsume(charges, owner, deadline);
      if (consumed.length === consuming.length) return { exhausted: [], consumed };
      // A concurrent call consumed the last unit of one of them after this one had checked it. What this call has consumed of
      // the others is given back.
      const keys = new Set(consumed.map(({ key }) => key));
      await this.refund(consuming.filter(({ key }) => keys.has(key)));
      const exhausted = await this.#exhaustedOf(charges, deadline);
      if (exhausted.length > 0) return { exhausted, consumed: [] };
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

  async read(keys: readonly string[], scope?: EntityManager | Deadline): Promise<QuotaUsage[]> {
    if (keys.length === 0) return [];
    const { rows } = await this.runner.run(
      this.statements.read(keys.length),
      () => keyValues(keys),
      scope,
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

  async #tryConsume(
    charges: readonly QuotaRequest[],
    holder: string,
    deadline: Deadline | undefined,
  ): Promise<QuotaUsage[]> {
    const { consumesAllOrNothing } = this.statements;
    const sent = consumesAllOrNothing ? charges : charges.filter(({ checkOnly }) => !checkOnly);
    // The owner and the call: two calls may have the same owner.
    const owner = holder + randomBytes(CALL_BYTES).toString('hex');
    const values = (): SqlValues => {
      const now = this.clock.now();
      const rows = sent.map((charge, index) => {
        const row = Object.entries(quotaRow(charge, now));
        return Object.fromEntries(row.map(([name, value]) => [`${name}${index}`, value]));
      });
      return Object.assign({ now, owner, ...failureRuleValues(failureRuleOf(sent)) }, ...rows);
    };
    const result = await this.runner.run(this.statements.consume(sent.length), values, deadline);
    // MariaDB also returns rows that refused; those still carry the owner of another call.
    return result.rows.filter((row) => (row['owner'] ?? owner) === owner).map(levelOf);
  }

  async #exhaustedOf(
    charges: readonly QuotaRequest[],
    deadline: Deadline | undefined,
  ): Promise<QuotaUsage[]> {
    const keys = charges.map(({ key }) => key);
    const levels = await this.read(keys, deadline);
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
