// A process of the application, to be killed. It runs its commands and reports nothing: the test that kills it knows from the
// database's side how far it got.
import 'reflect-metadata';

import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule, type TypeOrmModuleOptions } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';

import {
  ConfirmerService,
  functionalSenderBackend,
  TwoFactorModule,
  TwoFactorService,
} from '../../../lib/index.js';

export type Order =
  | { readonly do: 'confirm'; readonly id: string; readonly code: string }
  | { readonly do: 'use'; readonly id: string; readonly key: string }
  | { readonly do: 'transfer'; readonly id: string; readonly lastWords: string }
  | { readonly do: 'naive transfer'; readonly id: string }
  | { readonly do: 'resend'; readonly id: string };

const { DATABASE, SECRET = '', INBOX_TABLE = '' } = process.env;

@Module({
  imports: [
    TypeOrmModule.forRoot({
      ...(JSON.parse(DATABASE ?? '') as TypeOrmModuleOptions),
      autoLoadEntities: true,
      retryAttempts: 0,
    }),
    TwoFactorModule.forRootAsync({
      inject: [DataSource],
      useFactory: (dataSource: DataSource) => ({
        secret: SECRET,
        autoPurge: false,
        ...(process.env['TEST_LIMITS'] === 'false' ? { limits: false } : {}),
        databaseTimeoutMs: 60_000,
        senders: {
          default: {
            backend: functionalSenderBackend(({ state }) =>
              dataSource.query(`INSERT INTO ${INBOX_TABLE} VALUES ('${state.id}')`),
            ),
          },
        },
      }),
    }),
  ],
})
class WorkerModule {}

const app = await NestFactory.createApplicationContext(WorkerModule, { logger: false });
const confirmer = app.get(ConfirmerService);
const dataSource = app.get(DataSource);

async function obey(order: Order): Promise<void> {
  switch (order.do) {
    case 'confirm':
      await confirmer.confirm(order.id, order.code);
      return;
    case 'use':
      await confirmer.use(order.id, { idempotencyKey: order.key });
      return;
    case 'transfer':
      await dataSource.transaction(async (manager) => {
        if (!(await confirmer.use(order.id, { manager }))) return;
        await manager.query(`INSERT INTO effect VALUES ('${order.id}')`);
        await manager.query(`SELECT '${order.lastWords}'`);
      });
      return;
    case 'naive transfer':
      await dataSource.query(`INSERT INTO unguarded_effect VALUES ('${order.id}')`);
      await confirmer.use(order.id);
      return;
    case 'resend':
      await app.get(TwoFactorService).resend(order.id);
      return;
    default:
      order satisfies never;
  }
}

process.on('message', (order: Order) => {
  void obey(order);
});
// The parent process is gone, so that no process is left to kill this one.
process.on('disconnect', () => process.exit());
process.send?.('ready');
