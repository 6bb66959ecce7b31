import {
  In,
  IsNull,
  LessThan,
  type DataSource,
  type EntityManager,
  type Repository,
} from 'typeorm';
import type { ConfirmationRecord } from 'nestjs-two-factor';

import { NaiveConfirmer } from '../../support/naive-confirmer.js';
import { deliver, type RaceApplication } from './application.js';

const COOLDOWN_MS = 30_000;
const FAILURE_LIMIT = 10;
const SENDS_PER_TOKEN = 5;
const PURGE_BATCH = 50;

/** Runs work in a transaction of the application. */
export type Transaction = <T>(work: (manager: EntityManager) => Promise<T>) => Promise<T>;

/** Every promise once more as most applications keep it: read, decide, write. */
export class NaiveTwin {
  readonly #confirmer: NaiveConfirmer;
  readonly #records: Repository<ConfirmationRecord>;
  readonly #dataSource: DataSource;
  #comparisons = 0;

  constructor(private readonly application: RaceApplication) {
    this.#records = application.records;
    this.#dataSource = application.dataSource;
    this.#confirmer = new NaiveConfirmer(application.records);
  }

  /** How many codes were compared. */
  get comparisons(): number {
    return this.#confirmer.comparisons + this.#comparisons;
  }

  async confirm(id: string, isRight: boolean): Promise<boolean> {
    return this.#confirmer.confirm(id, isRight);
  }

  async use(id: string): Promise<boolean> {
    return this.#confirmer.use(id);
  }

  /** A guard that looks and a handler that spends: the transaction is the handler's. */
  async useWithEffect(id: string, transaction: Transaction): Promise<boolean> {
    const record = await this.#records.findOneByOrFail({ id });
    if (record.confirmedAt === null || record.usedAt !== null) return false;
    await transaction(async (manager) => {
      record.usedAt = Date.now();
      await manager.save(record);
      await manager.query(`INSERT INTO race_effect (confirmation) VALUES ('${id}')`);
    });
    return true;
  }

  async resend(id: string): Promise<boolean> {
    const now = this.application.clock.now();
    const record = await this.#records.findOneByOrFail({ id });
    if (record.lastSentAt !== null && record.lastSentAt + COOLDOWN_MS > now) return false;
    await deliver(this.#dataSource, id);
    record.sends += 1;
    record.lastSentAt = now;
    await this.#records.save(record);
    return true;
  }

  async cancel(id: string): Promise<boolean> {
    const record = await this.#records.findOneByOrFail({ id });
    if (record.usedAt !== null || record.cancelledAt !== null) return false;
    record.cancelledAt = Date.now();
    await this.#records.save(record);
    return true;
  }

  async purge(): Promise<number> {
    const expiresAt = LessThan(this.application.clock.now());
    const rows = await this.#records.find({
      select: { id: true },
      where: [
        { expiresAt, useBefore: IsNull() },
        { expiresAt, useBefore: expiresAt },
      ],
    });
    let purged = 0;
    while (rows.length > 0) {
      const ids = rows.splice(0, PURGE_BATCH).map(({ id }) => id);
      purged += (await this.#records.delete({ id: In(ids) })).affected ?? 0;
    }
    return purged;
  }

  async failWithin(budget: string): Promise<boolean> {
    if (await this.#spend(budget, FAILURE_LIMIT)) this.#comparisons += 1;
    return false;
  }

  async request(token: string): Promise<boolean> {
    if (!(await this.#spend(token, SENDS_PER_TOKEN))) return false;
    await deliver(this.#dataSource, 'new');
    return true;
  }

  /** A counter that is read, compared and written back. */
  async #spend(budget: string, limit: number): Promise<boolean> {
    const where = `WHERE budget = '${budget}'`;
    const rows: { spent: number }[] = await this.#dataSource.query(
      `SELECT spent FROM race_budget ${where}`,
    );
    const spent = Number(rows[0]?.spent);
    if (spent >= limit) return false;
    await this.#dataSource.query(`UPDATE race_budget SET spent = ${spent + 1} ${where}`);
    return true;
  }
}
