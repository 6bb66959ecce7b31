// A process of the application with authenticator apps, to be killed, or to guess beside others.
import 'reflect-metadata';

import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule, type TypeOrmModuleOptions } from '@nestjs/typeorm';
import { DataSource, type Logger } from 'typeorm';

import {
  ConfirmerService,
  recoveryCodes,
  totp,
  TwoFactorModule,
  type MethodResponse,
} from '../../../lib/index.js';

/** The command to the process: confirm by each of the responses at once, and say when all have ended. */
export interface FactorOrder {
  readonly id: string;
  /** Where the process kills itself in the settlement: before it writes the factor, before it commits, or after that. */
  readonly killedAt?: 'factor' | 'commit' | 'end' | undefined;
  readonly responses: readonly (MethodResponse | string)[];
}

const { DATABASE, SECRET = '', NOW = '' } = process.env;

@Module({
  imports: [
    TypeOrmModule.forRoot({
      ...(JSON.parse(DATABASE ?? '') as TypeOrmModuleOptions),
      autoLoadEntities: true,
      retryAttempts: 0,
    }),
    TwoFactorModule.forRoot({
      secret: SECRET,
      autoPurge: false,
      databaseTimeoutMs: 60_000,
      methods: [totp({ issuer: 'ACME' }), recoveryCodes()],
      // The clock of the test, which stands still.
      clock: { now: () => Number(NOW) },
    }),
  ],
})
class WorkerModule {}

const app = await NestFactory.createApplicationContext(WorkerModule, { logger: false });
const confirmer = app.get(ConfirmerService);

/**
 * A statement is logged before it is executed. The settlement reads the confirmation after it has written the factor, and SQLite
 * commits after that, without a statement that is logged.
 */
class Killer implements Logger {
  #logged = 0;

  constructor(private readonly at: FactorOrder['killedAt']) {}

  logQuery(sql: string): void {
    const isFactor = /^\s*(?:UPDATE|DELETE FROM) .two_factor_factor./.test(sql);
    if (isFactor || this.#logged > 0) this.#logged += 1;
    if (this.#logged === 1) this.#kill('factor');
    if (this.#logged === 2) this.#kill('commit');
    if (this.#logged === 3) this.#kill('end');
  }

  #kill(at: FactorOrder['killedAt']): void {
    if (at === this.at) process.kill(process.pid, 'SIGKILL');
  }

  logQueryError(): void {}
  logQuerySlow(): void {}
  logSchemaBuild(): void {}
  logMigration(): void {}
  log(): void {}
}

async function obey({ id, responses, killedAt }: FactorOrder): Promise<void> {
  if (killedAt !== undefined) app.get(DataSource).logger = new Killer(killedAt);
  const ended = await Promise.allSettled(responses.map((each) => confirmer.confirm(id, each)));
  process.send?.(ended.filter((each) => each.status === 'fulfilled' && each.value[1]).length);
}

process.on('message', (order: FactorOrder) => {
  void obey(order);
});
// The parent process is gone, so that no process is left to kill this one.
process.on('disconnect', () => process.exit());
process.send?.('ready');
