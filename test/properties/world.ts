import { createHash } from 'node:crypto';

import type { LoggerService } from '@nestjs/common';
import type { DataSourceOptions } from 'typeorm';

import { KeyRing } from '../../lib/crypto/index.js';
import {
  TwoFactorRecipientError,
  type Clock,
  type Delivery,
  type TwoFactorModuleExtras,
  type TwoFactorModuleOptions,
} from '../../lib/index.js';
import { installAttemptTrigger } from '../support/attempt-trigger.js';
import { drawCanaryCode } from '../support/canaries.js';
import { openDatabase, type EngineName, type TestDatabase } from '../support/engines.js';
import { secretOf } from '../support/secret.js';
import { openSharedSqljs } from '../support/shared-sqljs.js';
import { startApp, type TestApp } from '../support/test-app.js';

/** The two secrets that rotate. */
export type Secret = 'old' | 'new';

export const SECRETS: Readonly<Record<Secret, string>> = {
  old: secretOf('the old one'),
  new: secretOf('the new one'),
};

/** The secrets of an application: the first signs. */
export type Ring = readonly Secret[];

export const KIDS: Readonly<Record<Secret, string>> = {
  old: kidOf('old'),
  new: kidOf('new'),
};

function kidOf(secret: Secret): string {
  return ringOf([secret]).current.kid;
}

export function ringOf(ring: Ring): KeyRing {
  return KeyRing.fromSecrets(ring.map((secret) => Buffer.from(SECRETS[secret])));
}

/** Tells codes apart without ever showing one. */
export function fingerprint(code: string): string {
  return createHash('sha256').update(code).digest('hex').slice(0, 12);
}

/** Stands still to the millisecond, for many applications at once. */
export class SharedClock implements Clock {
  #now = Date.now();

  now(): number {
    return this.#now;
  }

  advanceTo(epochMs: number): void {
    this.#now = Math.max(this.#now, epochMs);
  }
}

/** What a backend is to do with the next message. */
export type Failure = 'none' | 'transient' | 'permanent';

/** One row as the database has it. */
export type RawRow = Readonly<Record<string, string | number | null>>;

/** Thousands of small commits, none of which has to survive the machine. */
const IMPATIENT_POSTGRES = {
  poolSize: 5,
  extra: { options: '-c synchronous_commit=off' },
} as Partial<DataSourceOptions>;

export interface WorldInput {
  readonly engine: EngineName;
  readonly options?: TwoFactorModuleOptions & TwoFactorModuleExtras;
  /** Sees every line that goes to the log. */
  readonly logger?: LoggerService;
}

/**
 * Real applications on one database, one for each ring of secrets, with one clock and one inbox. It is booted once for
 * all runs of a property; each run begins with an empty table.
 */
export class World {
  readonly clock = new SharedClock();
  readonly deliveries: Delivery[] = [];
  /** Every code that was drawn, in order. */
  readonly drawn: string[] = [];
  failure: Failure = 'none';
  readonly #apps = new Map<string, TestApp>();

  private constructor(
    readonly database: TestDatabase,
    private readonly input: WorldInput,
  ) {}

  static async open(input: WorldInput): Promise<World> {
    const { engine } = input;
    const database = engine === 'sqljs' ? await openSharedSqljs() : await openDatabase(engine);
    const world = new World(database, input);
    await installAttemptTrigger((await world.app(['old'])).dataSource);
    return world;
  }

  /** The application with these secrets; `instance` tells several with the same ones apart. */
  async app(ring: Ring, instance = 0): Promise<TestApp> {
    const name = `${ring.join()} ${instance}`;
    const running = this.#apps.get(name);
    if (running) return running;
    const { engine, logger, options } = this.input;
    const app = await startApp({
      engine,
      ...(logger === undefined ? {} : { override: (builder) => builder.setLogger(logger) }),
      database: this.database,
      options: {
        secrets: ring.map((secret) => SECRETS[secret]),
        secret: undefined,
        clock: this.clock,
        codeGenerator: () => this.#draw(),
        senders: {
          default: { backend: () => this.#send },
          other: { backend: () => this.#send },
        },
        // Waiting for a busy machine is not what is tested.
        databaseTimeoutMs: 60_000,
        ...options,
      },
      ...(engine === 'postgres' ? { dataSource: IMPATIENT_POSTGRES } : {}),
    });
    this.#apps.set(name, app);
    return app;
  }

  /** Ends an application and starts it again: what is not in the database is gone. */
  async restart(ring: Ring, instance = 0): Promise<TestApp> {
    const name = `${ring.join()} ${instance}`;
    await this.#apps.get(name)?.close();
    this.#apps.delete(name);
    return this.app(ring, instance);
  }

  /** Every row there is, by id. */
  async rows(): Promise<ReadonlyMap<string, RawRow>> {
    const { dataSource } = await this.app(['old']);
    const rows: RawRow[] = await dataSource.query('SELECT * FROM two_factor_confirmation');
    return new Map(rows.map((row) => [String(row['id']), row]));
  }

  /** How many comparisons the database itself saw, by id. */
  async comparisons(): Promise<ReadonlyMap<string, number>> {
    const { dataSource } = await this.app(['old']);
    const rows: { confirmation: string; attempts: string | number }[] = await dataSource.query(
      'SELECT confirmation, count(*) AS attempts FROM attempt_log GROUP BY confirmation',
    );
    return new Map(rows.map(({ confirmation, attempts }) => [confirmation, Number(attempts)]));
  }

  async clear(): Promise<void> {
    const { dataSource } = await this.app(['old']);
    await dataSource.query('DELETE FROM two_factor_confirmation');
    await dataSource.query('DELETE FROM two_factor_limit');
    await dataSource.query('DELETE FROM attempt_log');
    // What is kept for ever is much, after thousands of runs.
    for (const { log } of this.#apps.values()) log.statements.length = 0;
    this.deliveries.length = 0;
    this.drawn.length = 0;
    this.failure = 'none';
  }

  async close(): Promise<void> {
    for (const app of this.#apps.values()) await app.close();
    await this.database.drop();
  }

  #draw(): string {
    const code = drawCanaryCode();
    this.drawn.push(code);
    return code;
  }

  readonly #send = async (delivery: Delivery): Promise<void> => {
    this.deliveries.push(delivery);
    const { failure } = this;
    this.failure = 'none';
    // Providers like to repeat what they were given.
    const echo = `${delivery.token} ${delivery.code}`;
    if (failure === 'transient') throw new Error(`421 try again later: ${echo}`);
    if (failure === 'permanent') throw new TwoFactorRecipientError(`550 no such mailbox: ${echo}`);
  };
}

/** A number of a raw row: `pg` reads a bigint as text. */
export function numberOf(row: RawRow, column: string): number | null {
  const value = row[column];
  return value === null || value === undefined ? null : Number(value);
}
