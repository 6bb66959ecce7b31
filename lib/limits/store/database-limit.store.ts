import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import type { DataSource, EntityManager } from 'typeorm';

import {
  assertEntity,
  listValues,
  StatementRunner,
  tableNames,
  type BatchedCalls,
  type Deadline,
  type SqlValues,
  type StatementRunnerOptions,
} from '../../database/index.js';
import type { Clock } from '../../options/index.js';
import type { ConsumeOptions, DatabaseConsumeResult } from './consume-options.js';
import { consumeKind, exclusiveKeys, isBatchable, type ConsumingCall } from './consume-batch.js';
import { consumeWithRetry } from './consume-with-retry.js';
import { consumeAnswer, consumeValues } from './dialects/mysql-answer.js';
import { quotaRow, failureRuleOf, failureRuleValues } from './dialects/quota-values.js';
import { limitStatements, type LimitStatements } from './dialects/statements.js';
import { LimitRecord } from './limit-record.entity.js';
import { isExhausted, UNLOCKED_END_OFFSET_MS } from './limit-rules.js';
import type {
  QuotaAddition,
  QuotaRequest,
  QuotaUsage,
  LimitStore,
} from './limit-store.interface.js';

export interface DatabaseLimitStoreOptions extends StatementRunnerOptions {
  readonly clock: Clock;
}

/** What one statement did. `exhausted` is the refusal, where the statement itself answers it. */
interface ConsumeAttempt {
  readonly isDone: boolean;
  readonly consumed: readonly QuotaUsage[];
  readonly exhausted: QuotaUsage | null;
}

const MAX_PAUSE_MS = 20;
const CALL_MARK_BYTES = 8;

/** All SQL of the quotas. One guarded statement consumes all quotas of a call, in the order of their keys. */
export class DatabaseLimitStore implements LimitStore {
  #purgedUpTo = '';
  /** `null` where the statements of several calls are not executed together. */
  readonly #batch: BatchedCalls<ConsumingCall, DatabaseConsumeResult> | null;

  private constructor(
    private readonly runner: StatementRunner,
    private readonly statements: LimitStatements,
    private readonly clock: Clock,
    private readonly timeoutMs: number,
  ) {
    const kind = consumeKind(statements, () => clock.now());
    this.#batch = statements.answersBy === 'insertId' ? runner.batcher(kind) : null;
  }

  /** @throws TwoFactorConfigurationError when the data source does not know the entity. */
  static open(dataSource: DataSource, options: DatabaseLimitStoreOptions): DatabaseLimitStore {
    assertEntity(dataSource, LimitRecord);
    const runner = new StatementRunner(dataSource, options);
    const statements = limitStatements(runner.engine, tableNames(dataSource, LimitRecord));
    return new DatabaseLimitStore(runner, statements, options.clock, options.timeoutMs);
  }

  /** Parts of the statements of the confirmations, for engines that can consume quotas in them; `null` for others. */
  get clauses(): LimitStatements['clauses'] {
    return this.statements.clauses;
  }

  /** Parts of an UPDATE over a confirmation and its quotas, for MySQL and MariaDB; `null` for others. */
  get joins(): LimitStatements['joins'] {
    return this.statements.joins;
  }

  async consume(
    charges: readonly QuotaRequest[],
    owner: string,
    options: ConsumeOptions = {},
  ): Promise<DatabaseConsumeResult> {
    if (this.#batch === null || options.reportsUsage !== false || !isBatchable(charges)) {
      return this.#consumeSingly(charges, owner, options);
    }
    const single: ConsumingCall['single'] = (deadline, mayHaveAddedRows) =>
      this.#consumeSingly(charges, owner, { ...options, deadline }, mayHaveAddedRows);
    const call = { keys: exclusiveKeys(charges), charges, owner, single };
    return this.#batch(call, options.deadline);
  }

  async #consumeSingly(
    charges: readonly QuotaRequest[],
    owner: string,
    options: ConsumeOptions,
    mayHaveAddedRows = false,
  ): Promise<DatabaseConsumeResult> {
    const consuming = charges.filter(({ checkOnly }) => !checkOnly);
    if (consuming.length === 0) return this.#refusalOf(charges, options);
    // No further statement is issued when the caller has already timed out.
    const endsAt = performance.now() + this.timeoutMs;
    const attempt = async (round: number): Promise<DatabaseConsumeResult | null> => {
      if (round > 0) await sleep(Math.random() * MAX_PAUSE_MS);
      const { isDone, consumed, exhausted } = await this.#tryConsume(
        charges,
        owner,
        options,
        mayHaveAddedRows,
      );
      if (isDone) return { exhausted: [], consumed };
      if (exhausted !== null) return { exhausted: [exhausted], consumed: [] };
      // A concurrent call consumed the last unit of one of them after this one had checked it. What this call has consumed of
      // the others is given back.
      const keys = new Set(consumed.map(({ key }) => key));
      await this.refund(consuming.filter(({ key }) => keys.has(key)));
      const refusal = await this.#refusalOf(charges, options);
      return refusal.exhausted.length > 0 ? refusal : null;
    };
    return consumeWithRetry(attempt, () => performance.now() < endsAt);
  }

  async refund(charges: readonly QuotaRequest[]): Promise<void> {
    if (charges.length === 0) return;
    const values = (): SqlValues => ({
      lockAfter: failureRuleOf(charges)?.lockAfter ?? 0,
      unlocked: this.clock.now() + UNLOCKED_END_OFFSET_MS,
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

  async add(additions: readonly QuotaAddition[]): Promise<void> {
    if (additions.length === 0) return;
    const values = additions.flatMap(({ key, amount, endsAt }, index) => [
      [`id${index}`, key],
      [`amount${index}`, amount],
      [`endsAt${index}`, endsAt],
    ]);
    const statement = this.statements.add(additions.length);
    await this.runner.run(statement, () => Object.fromEntries(values) as SqlValues);
  }

  async #tryConsume(
    charges: readonly QuotaRequest[],
    holder: string,
    options: ConsumeOptions,
    mayHaveAddedRows: boolean,
  ): Promise<ConsumeAttempt> {
    // The owner and the call: two calls may have the same owner.
    const owner = holder + randomBytes(CALL_MARK_BYTES).toString('hex');
    const consuming = charges.filter(({ checkOnly }) => !checkOnly);
    const { answersBy } = this.statements;
    const rule = failureRuleValues(failureRuleOf(charges));
    let now = 0;
    const values = (): SqlValues => {
      now = this.clock.now();
      const rows =
        answersBy === 'rows'
          ? quotaValues(charges, now)
          : consumeValues(charges, now, options.refusalOrder);
      return { now, owner, ...rule, ...rows };
    };
    const statement = this.statements.consume(charges.length, consuming.length);
    const { rows, insertId } = await this.runner.run(statement, values, options.deadline);
    if (answersBy === 'rows') {
      const isDone = rows.length === consuming.length;
      return { isDone, consumed: rows.map(levelOf), exhausted: null };
    }
    const answer = consumeAnswer(insertId, charges, now, options.refusalOrder);
    if (answer.outcome === 'refused') {
      if (answer.isRowAdded || mayHaveAddedRows) await this.#dropUnused(charges, options.deadline);
      const isAnswered = options.alternatives === undefined;
      return { isDone: false, consumed: [], exhausted: isAnswered ? answer.exhausted : null };
    }
    const isDone =
      answer.outcome === 'charged' || (await this.#hasCharged(consuming, owner, options));
    const isToRead = isDone && options.reportsUsage !== false;
    const keys = isToRead ? consuming.map(({ key }) => key) : [];
    return { isDone, consumed: await this.read(keys, options.deadline), exhausted: null };
  }

  /**
   * Whether the rows carry the mark of this call, for a table with triggers, which lose the answer of the statement. Where
   * concurrent calls have marked all of them since, this call consumes again: a unit too many is the safe side.
   */
  async #hasCharged(
    charges: readonly QuotaRequest[],
    mark: string,
    { deadline }: ConsumeOptions,
  ): Promise<boolean> {
    const keys = charges.map(({ key }) => key);
    const statement = this.statements.read(keys.length);
    const { rows } = await this.runner.run(statement, () => keyValues(keys), deadline);
    return rows.some(({ owner }) => owner === mark);
  }

  /** Otherwise refused requests with ever new phone numbers and addresses would fill the table. */
  async #dropUnused(charges: readonly QuotaRequest[], deadline?: Deadline): Promise<void> {
    const keys = charges.map(({ key }) => key);
    await this.runner.run(this.statements.dropUnused(keys.length), () => keyValues(keys), deadline);
  }

  async #refusalOf(
    charges: readonly QuotaRequest[],
    { deadline, alternatives }: ConsumeOptions,
  ): Promise<DatabaseConsumeResult> {
    const byKey = new Map(charges.map((charge) => [charge.key, charge]));
    const keys = new Set([...byKey.keys(), ...(alternatives ?? [])]);
    const usages = await this.read([...keys], deadline);
    const now = this.clock.now();
    const isRefused = (usage: QuotaUsage): boolean => {
      const charge = byKey.get(usage.key);
      return charge !== undefined && isExhausted(usage, charge, now);
    };
    const exhausted = usages.filter(isRefused);
    return alternatives === undefined
      ? { exhausted, consumed: [] }
      : { exhausted, consumed: [], others: usages };
  }
}

function quotaValues(charges: readonly QuotaRequest[], now: number): SqlValues {
  const rows = charges.map((charge, index) => {
    const row = Object.entries(quotaRow(charge, now));
    return Object.fromEntries(row.map(([name, value]) => [`${name}${index}`, value]));
  });
  return Object.assign({}, ...rows) as SqlValues;
}

function keyValues(keys: readonly string[]): Record<string, string> {
  return listValues('id', keys);
}

function levelOf(row: Readonly<Record<string, unknown>>): QuotaUsage {
  return { key: String(row['id']), amount: Number(row['amount']), endsAt: Number(row['endsAt']) };
}
