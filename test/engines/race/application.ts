import 'reflect-metadata';

import { type INestApplicationContext, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import {
  type Clock,
  ConfirmationRecord,
  ConfirmerService,
  type Delivery,
  type LimitsOptions,
  SenderBackend,
  twoFactorMigrations,
  TwoFactorModule,
  TwoFactorService,
} from 'nestjs-two-factor';
import { DataSource, type DataSourceOptions, type Repository } from 'typeorm';

import { secretOf } from '../../support/secret.js';

/** Long enough that a confirmed row outlives the clock of a process that is ten minutes ahead. */
const USE_WITHIN_SECONDS = 900;

const MANY = { max: 1_000_000, perSeconds: 3_600 };

/**
 * A cell makes twenty confirmations of one token at once, and in an hour more messages than one installation sends, all by
 * unknown requesters.
 */
const LIMITS: LimitsOptions = {
  pending: false,
  sendsPerNetwork: [{ ipv4: 24, ipv6: 48, ...MANY }],
  sendsInTotal: [MANY],
};

/** Tells a time that may be ahead of the machine's. */
export class ShiftedClock implements Clock {
  #aheadMs = 0;

  now(): number {
    return Date.now() + this.#aheadMs;
  }

  setAhead(ms: number): void {
    this.#aheadMs = ms;
  }
}

/** Delivers into the database, where the messages of all processes are counted together. */
@SenderBackend('inbox')
export class OutboxBackend implements SenderBackend {
  constructor(private readonly dataSource: DataSource) {}

  async send({ state }: Delivery): Promise<void> {
    await deliver(this.dataSource, state.id);
  }
}

export async function deliver(dataSource: DataSource, id: string): Promise<void> {
  await dataSource.query(`INSERT INTO race_inbox (confirmation) VALUES ('${id}')`);
}

export interface RaceApplication {
  readonly context: INestApplicationContext;
  readonly clock: ShiftedClock;
  readonly dataSource: DataSource;
  readonly records: Repository<ConfirmationRecord>;
  readonly confirmer: ConfirmerService;
  readonly twoFactor: TwoFactorService;
}

/** An application as users build it; only its clock and its sender are doubles. */
export async function openApplication(
  dataSource: DataSourceOptions,
  { limits = false, migrates = false }: { limits?: boolean; migrates?: boolean } = {},
): Promise<RaceApplication> {
  const clock = new ShiftedClock();
  @Module({
    imports: [
      TypeOrmModule.forRoot({
        ...dataSource,
        autoLoadEntities: true,
        migrations: [...twoFactorMigrations],
        migrationsRun: migrates,
        retryAttempts: 3,
      }),
      TwoFactorModule.forRoot({
        secret: secretOf('the race'),
        senders: { inbox: { backend: OutboxBackend } },
        defaultSender: 'inbox',
        useWithinSeconds: USE_WITHIN_SECONDS,
        autoPurge: false,
        // A hundred callers share forty connections of two cores: waiting is not what is tested.
        databaseTimeoutMs: 60_000,
        sendTimeoutMs: 60_000,
        clock,
        limits: limits ? LIMITS : false,
      }),
    ],
  })
  class RaceModule {}
  const context = await NestFactory.createApplicationContext(RaceModule, {
    logger: ['error'],
    abortOnError: false,
  });
  const get = <T>(type: abstract new (...args: never[]) => T): T =>
    context.get<T>(type, { strict: false });
  return {
    context,
    clock,
    dataSource: get(DataSource),
    records: get(DataSource).getRepository(ConfirmationRecord),
    confirmer: get(ConfirmerService),
    twoFactor: get(TwoFactorService),
  };
}
