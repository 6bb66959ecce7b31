import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import type { DataSource, EntityManager } from 'typeorm';

import {
  assertEntity,
  assertReturning,
  listValues,
  StatementRunner,
  tableNames,
  type Join,
  type SqlValue,
  type SqlValues,
  type StatementRunnerOptions,
} from '../database/index.js';
import { TwoFactorUnavailableError } from '../errors/index.js';
import type { Clock } from '../options/index.js';
import { limitStatements, type LimitStatements } from './dialects/statements.js';
import { LimitRecord } from './limit-record.entity.js';
import { doublingsOf, isSpent, lockMsAfter } from './limit-rules.js';
import type { LimitAnswer, LimitCharge, LimitLevel, LimitStore } from './limit-store.interface.js';

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
    return new DatabaseLimitStore(runner, statements, options.clock);
  }

  /** `clear` as part of a statement of the confirmations, where the engine can. Its values: `settlementValues`. */
  get clearClause(): LimitStatements['clearClause'] {
    return this.statements.clearClause;
  }

  async charge(charges: readonly LimitCharge[], holder: string): Promise<LimitAnswer> {
    const spending = charges.filter(({ checkOnly }) => !checkOnly);
    for (let round = 0; round < ROUNDS; round += 1) {
      if (round > 0) await sleep(Math.random() * MAX_PAUSE_MS);
      if (spending.length === 0 || !this.statements.chargesAllOrNothing) {
        const refused = await this.#spent(charges);
        if (refused.length > 0 || spending.length === 0) return { refused, charged: [] };
      }
      const charged = await this.#tryCharge(charges, holder);
      if (charged.length === spending.length) return { refused: [], charged };
      // Somebody came in between and got the last of one of them.
      const keys = new Set(charged.map(({ key }) => key));
      await this.giveBack(spending.filter(({ key }) => keys.has(key)));
      const refused = await this.#spent(charges);
      if (refused.length > 0) return { refused, charged: [] };
    }
    throw new TwoFactorUnavailableError('The limits are contended. Try again.');
  }

  async giveBack(charges: readonly LimitCharge[]): Promise<void> {
    if (charges.length === 0) return;
    const values = {
      ...keyValues(charges.map(({ key }) => key)),
      lockFrom: failureValues(charges).lockFrom,
    };
    await this.runner.run(this.statements.giveBack(charges.length), () => values);
  }

  async clear(keys: readonly string[], holder?: string): Promise<void> {
    if (keys.length === 0) return;
    const statement = this.statements[holder === undefined ? 'clearAll' : 'clear'](keys.length);
    await this.runner.run(statement, () => ({ ...keyValues(keys), holder: holder ?? '' }));
  }

  async read(keys: readonly string[], manager?: EntityManager): Promise<LimitLevel[]> {
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

  async #tryCharge(charges: readonly LimitCharge[], whose: string): Promise<LimitLevel[]> {
    const { chargesAllOrNothing } = this.statements;
    const said = chargesAllOrNothing ? charges : charges.filter(({ checkOnly }) => !checkOnly);
    // For whom, and by which call: two calls may be for the same.
    const holder = whose + randomBytes(CALL_BYTES).toString('hex');
    const failures = failureValues(said);
    const rows = (): LimitRow[] => {
      const now = this.clock.now();
      return said.map((charge) => rowOf(charge, now, holder));
    };
    const values = (): SqlValues =>
      Object.assign(
        { now: this.clock.now(), holder, ...failures },
        ...rows().map((row, index) => ({
          [`id${index}`]: row.id,
          [`kind${index}`]: row.kind,
          [`amount${index}`]: row.amount,
          [`allowed${index}`]: row.allowed,
          [`endsAt${index}`]: row.endsAt,
        })),
      ) as SqlValues;
    const { chargeJoined } = this.statements;
    const join: Join | null = chargeJoined && {
      statement: chargeJoined,
      // Those with another rule for failures cannot go with these.
      line: Object.values(failures).join(),
      keys: said.filter(({ checkOnly }) => !checkOnly).map(({ key }) => key),
      rows,
      shared: () => ({ now: this.clock.now(), ...failures }),
    };
    const result = await this.runner.run(
      this.statements.charge(said.length),
      values,
      undefined,
      join,
    );
    // Where a refused row is answered too, it is another one's.
    return result.rows.filter((row) => (row['holder'] ?? holder) === holder).map(levelOf);
  }

  async #spent(charges: readonly LimitCharge[]): Promise<LimitLevel[]> {
    const levels = await this.read(charges.map(({ key }) => key));
    const now = this.clock.now();
    const byKey = new Map(charges.map((charge) => [charge.key, charge]));
    return levels.filter((level) => isSpent(level, byKey.get(level.key)!, now));
  }
}

function keyValues(keys: readonly string[]): Record<string, string> {
  return listValues('id', keys);
}

function levelOf(row: Readonly<Record<string, unknown>>): LimitLevel {
  return { key: String(row['id']), amount: Number(row['amount']), endsAt: Number(row['endsAt']) };
}

interface LimitRow extends Readonly<Record<string, SqlValue>> {
  readonly id: string;
  readonly kind: string;
  readonly amount: number;
  readonly allowed: number;
  readonly endsAt: number;
  readonly holder: string;
}

/** What a row begins with, if this is its first charge. */
function rowOf({ key, rule, checkOnly }: LimitCharge, now: number, holder: string): LimitRow {
  const lockMs = rule.kind === 'failures' ? lockMsAfter(1, rule) : rule.windowMs;
  return {
    id: key,
    kind: rule.kind,
    amount: checkOnly ? 0 : 1,
    allowed: rule.max,
    endsAt: lockMs === 0 ? 0 : now + lockMs,
    holder,
  };
}

/** The failure rule is one for all: that of the options. */
function failureValues(charges: readonly LimitCharge[]): {
  lockFrom: number;
  lockMs: number;
  maxLockMs: number;
  doublings: number;
} {
  for (const { rule } of charges) {
    if (rule.kind !== 'failures') continue;
    const { lockFrom, lockMs, maxLockMs } = rule;
    return { lockFrom, lockMs, maxLockMs, doublings: doublingsOf(rule) };
  }
  return { lockFrom: 0, lockMs: 0, maxLockMs: 0, doublings: 0 };
}
