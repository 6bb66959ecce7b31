import { Module, type DynamicModule } from '@nestjs/common';
import type { Queue } from 'bullmq';

import { DeliveryService } from '../../delivery/index.js';
import { TwoFactorConfigurationError } from '../../errors/index.js';
import type { ResolvedOptions } from '../../options/index.js';
import type { SenderBackends } from '../../sender/index.js';
import { SENDER_BACKENDS, TWO_FACTOR_OPTIONS } from '../../two-factor.tokens.js';
import { BullMqRelay } from './bullmq-relay.js';
import { checkedOptions, type TwoFactorBullMqOptions } from './checked-options.js';

/**
 * Wakes workers on any machine through BullMQ, and holds the rate of a provider over all of them. It needs `delivery: 'queued'`,
 * and a connection from `BullModule.forRoot` of `@nestjs/bullmq`.
 *
 * After the commit of a message a job with its key, and nothing else, goes to Redis; the worker that gets the job claims the row in
 * the database and sends it. Losing Redis costs latency, not messages: requests succeed, and the rounds of the worker
 * (`pollSeconds`) send what is due. Meanwhile each instance holds the rate for itself alone.
 *
 * Import it in every application that sends these messages. One with `worker: false` takes requests and sends nothing.
 *
 * @example
 * ```ts
 * @Module({
 *   imports: [
 *     BullModule.forRoot({ connection: { host: 'redis', port: 6379 } }),
 *     TwoFactorModule.forRoot({
 *       delivery: 'queued',
 *       senders: { sms: { backend: SmsBackend }, email: { backend: EmailBackend } },
 *     }),
 *     TwoFactorBullMqModule.forRoot({
 *       senders: { sms: { rate: { max: 10, perSeconds: 1 } }, email: {} },
 *     }),
 *   ],
 * })
 * export class AppModule {}
 * ```
 * @publicApi
 */
@Module({})
export class TwoFactorBullMqModule {
  /** @throws TwoFactorConfigurationError at boot, for wrong options and a missing package. */
  static forRoot(options: TwoFactorBullMqOptions): Promise<DynamicModule> {
    const definition = define(options);
    // Nest reports the failure when it awaits this import, which may be later than Node reports an unhandled rejection.
    definition.catch(() => undefined);
    return definition;
  }
}

async function define(options: TwoFactorBullMqOptions): Promise<DynamicModule> {
  const { rates, name, configKey, imports } = checkedOptions(options);
  const { BullModule, getQueueToken, Worker } = await loadBullMq();
  const ways = [...rates.keys()];
  const nameOf = (way: string): string => `${name}-${way}`;
  const queues = BullModule.registerQueue(
    ...ways.map((way) => ({
      name: nameOf(way),
      ...(configKey === undefined ? {} : { configKey }),
    })),
  );
  return {
    module: TwoFactorBullMqModule,
    imports: [...imports, queues],
    providers: [
      {
        provide: BullMqRelay,
        useFactory: (
          deliveries: DeliveryService,
          backends: SenderBackends,
          resolved: ResolvedOptions,
          ...opened: Queue[]
        ): BullMqRelay =>
          new BullMqRelay({
            deliveries,
            backends,
            options: resolved,
            queues: new Map(ways.map((way, index) => [way, opened[index]!])),
            rates,
            workerClass: Worker,
          }),
        inject: [
          DeliveryService,
          SENDER_BACKENDS,
          TWO_FACTOR_OPTIONS,
          ...ways.map((way) => getQueueToken(nameOf(way))),
        ],
      },
    ],
    // For the dashboards of BullMQ.
    exports: [queues],
  };
}

type BullMq = Pick<typeof import('@nestjs/bullmq'), 'BullModule' | 'getQueueToken'> &
  Pick<typeof import('bullmq'), 'Worker'>;

/** @throws TwoFactorConfigurationError when a package is missing. */
async function loadBullMq(): Promise<BullMq> {
  try {
    const { BullModule, getQueueToken } = await import('@nestjs/bullmq');
    const { Worker } = await import('bullmq');
    return { BullModule, getQueueToken, Worker };
  } catch (cause) {
    throw new TwoFactorConfigurationError(
      'TwoFactorBullMqModule needs the packages @nestjs/bullmq and bullmq: install them with "npm install @nestjs/bullmq bullmq ioredis".',
      { cause },
    );
  }
}
