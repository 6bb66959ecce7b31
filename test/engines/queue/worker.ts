// A process of the application that queues and sends messages, to be killed or stopped. Its provider is an HTTP server of the test.
import 'reflect-metadata';

import { Module, type ModuleMetadata } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule, type TypeOrmModuleOptions } from '@nestjs/typeorm';
import { DataSource, type EntityManager } from 'typeorm';

import { TwoFactorBullMqModule } from '../../../lib/adapters/bullmq/index.js';
import {
  DeliveryService,
  functionalSenderBackend,
  TwoFactorEvents,
  TwoFactorModule,
  TwoFactorRecipientError,
  TwoFactorService,
  TwoFactorTooManyRequestsError,
  TwoFactorUnavailableError,
} from '../../../lib/index.js';
import { fastClock } from './fast-clock.js';

export type Order =
  | { readonly do: 'request'; readonly token: string }
  /** Requests within a transaction of the application, and dies as soon as that has committed. */
  | { readonly do: 'commit-and-die'; readonly token: string }
  | { readonly do: 'sweep'; readonly number: number }
  | { readonly do: 'close' };

export type Report =
  | { readonly is: 'ready' }
  | { readonly is: 'requested'; readonly token: string; readonly id: string }
  /** A limit, or a database that does not answer, refused a request: its client repeats it after that time, in seconds of the clock. */
  | { readonly is: 'refused'; readonly token: string; readonly afterSeconds: number }
  /** A message was not sent, because its code had expired. The id is shortened, as in every event. */
  | { readonly is: 'expired'; readonly id: string }
  /** The provider refused a recipient, and the event of it was raised. */
  | { readonly is: 'refused-for-good' }
  | { readonly is: 'swept'; readonly number: number };

/** After which a client repeats a request that was refused without a time. */
const SECONDS_WITHOUT_ANSWER = 5;

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
            if (answer.status === 422) throw new TwoFactorRecipientError('The provider refuses.');
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
  if (event.type === 'send-failed' && event.isPermanent) report({ is: 'refused-for-good' });
});

async function request(token: string, manager?: EntityManager): Promise<string> {
  const { id } = await app.get(TwoFactorService).request({
    manager,
    token,
    subject: token,
    purpose: 'login',
    idempotencyKey: `the-only-request-of-${token}`.replace('@', '-at-'),
  });
  return id;
}

/**
 * What an answer of 429 or 503 has as `Retry-After`. MariaDB and MySQL charge a message before they insert its row, so that a process
 * which is killed in between has used up one of the five messages that a recipient gets in ten minutes.
 */
function secondsToWait(error: unknown): number {
  const isRefusal =
    error instanceof TwoFactorTooManyRequestsError || error instanceof TwoFactorUnavailableError;
  if (!isRefusal) throw error;
  return error.retryAfterSeconds ?? SECONDS_WITHOUT_ANSWER;
}

/** The first subscriber is called before that of the module, which would begin to send. */
async function commitAndDie(token: string): Promise<void> {
  const dataSource = app.get(DataSource);
  dataSource.subscribers.unshift({
    afterTransactionCommit: () => {
      process.kill(process.pid, 'SIGKILL');
    },
  });
  await dataSource.transaction(async (manager) => {
    report({ is: 'requested', token, id: await request(token, manager) });
  });
}

async function obey(order: Order): Promise<void> {
  switch (order.do) {
    case 'request': {
      const { token } = order;
      try {
        report({ is: 'requested', token, id: await request(token) });
      } catch (error) {
        report({ is: 'refused', token, afterSeconds: secondsToWait(error) });
      }
      return;
    }
    case 'commit-and-die':
      await commitAndDie(order.token);
      return;
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
