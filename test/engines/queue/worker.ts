// A process of the application that queues and sends messages, to be killed or stopped. Its provider is an HTTP server of the test.
import 'reflect-metadata';

import { Module, type ModuleMetadata } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule, type TypeOrmModuleOptions } from '@nestjs/typeorm';

import { TwoFactorBullMqModule } from '../../../lib/adapters/bullmq/index.js';
import {
  DeliveryService,
  functionalSenderBackend,
  TwoFactorEvents,
  TwoFactorModule,
  TwoFactorService,
} from '../../../lib/index.js';
import { fastClock } from './fast-clock.js';

export type Order =
  | { readonly do: 'request'; readonly token: string }
  | { readonly do: 'sweep'; readonly number: number }
  | { readonly do: 'close' };

export type Report =
  | { readonly is: 'ready' }
  | { readonly is: 'requested'; readonly token: string; readonly id: string }
  /** A message was not sent, because its code had expired. The id is shortened, as in every event. */
  | { readonly is: 'expired'; readonly id: string }
  | { readonly is: 'swept'; readonly number: number };

const {
  DATABASE = '',
  SECRET = '',
  PROVIDER = '',
  STARTED_AT = '',
  WORKER = '',
  REDIS = '[]',
} = process.env;

/** Wakes the workers through BullMQ, where there is a Redis: one node, or those of a cluster. */
async function relay(): Promise<NonNullable<ModuleMetadata['imports']>> {
  const nodes = JSON.parse(REDIS) as { readonly host: string; readonly port: number }[];
  if (nodes.length === 0) return [];
  const { BullModule } = await import('@nestjs/bullmq');
  const { Cluster } = await import('ioredis');
  const bull =
    nodes.length === 1
      ? { connection: nodes[0]! }
      : {
          connection: new Cluster(nodes, { redisOptions: { maxRetriesPerRequest: null } }),
          prefix: '{bull}',
        };
  return [BullModule.forRoot(bull), TwoFactorBullMqModule.forRoot({ senders: { default: {} } })];
}

@Module({
  imports: [
    TypeOrmModule.forRoot({
      ...(JSON.parse(DATABASE) as TypeOrmModuleOptions),
      autoLoadEntities: true,
      retryAttempts: 0,
    }),
    TwoFactorModule.forRoot({
      secret: SECRET,
      autoPurge: false,
      delivery: 'queued',
      worker: WORKER === 'off' ? false : { pollSeconds: 1 },
      sendTimeoutMs: 4_000,
      databaseTimeoutMs: 60_000,
      clock: fastClock(Number(STARTED_AT)),
      limits: { sendsInTotal: { bound: [{ max: 1_000_000, perSeconds: 3_600 }] } },
      senders: {
        default: {
          backend: functionalSenderBackend(async ({ token, signal }) => {
            const headers = { connection: 'close' };
            const body = JSON.stringify({ token, pid: process.pid });
            const answer = await fetch(PROVIDER, { method: 'POST', body, headers, signal });
            if (!answer.ok) throw new Error(`The provider answered ${answer.status}.`);
          }),
        },
      },
    }),
    ...(await relay()),
  ],
})
class WorkerModule {}

// Its test is gone, so that nothing is left to kill this process.
process.on('disconnect', () => process.exit());

const app = await NestFactory.createApplicationContext(WorkerModule, { logger: false });
const report = (what: Report): void => {
  // A process whose parent is gone has no one to report to.
  if (process.connected) process.send?.(what);
};

app.get(TwoFactorEvents).subscribe((event) => {
  if (event.type === 'delivery-dropped' && event.reason === 'expired') {
    report({ is: 'expired', id: event.confirmation });
  }
});

async function obey(order: Order): Promise<void> {
  switch (order.do) {
    case 'request': {
      const { token } = order;
      const { id } = await app.get(TwoFactorService).request({
        token,
        subject: token,
        purpose: 'login',
        idempotencyKey: `the-only-request-of-${token}`.replace('@', '-at-'),
      });
      report({ is: 'requested', token, id });
      return;
    }
    case 'sweep':
      await app.get(DeliveryService).sweep();
      report({ is: 'swept', number: order.number });
      return;
    case 'close':
      await app.close();
      process.exit();
      return;
    default:
      order satisfies never;
  }
}

process.on('message', (order: Order) => void obey(order));
report({ is: 'ready' });
