import { Inject, Injectable } from '@nestjs/common';
import type { HealthIndicatorResult } from '@nestjs/terminus';

import { DeliveryService } from '../../delivery/index.js';
import { messageOf } from '../../errors/index.js';
import type { SenderBackends } from '../../sender/index.js';
import { SENDER_BACKENDS } from '../../two-factor.tokens.js';

/** When the messages are ill. */
export interface HealthOptions {
  /** The age in seconds that the oldest due message may have. @default 60 */
  readonly maxQueueAgeSeconds?: number | undefined;
}

const DEFAULT_MAX_SECONDS = 60;

/**
 * Tells `@nestjs/terminus` whether messages leave. It is down when the oldest due message is too old, when all providers of a
 * failover are passed over, and when the database does not answer. It reads one row by its index, and writes nothing. A provider that
 * was passed over is so until it accepts a message.
 *
 * Its answer names senders and providers: show it to operators, not to the public. Do not let it decide whether an instance gets
 * requests, because a provider that is down is no fault of an instance.
 *
 * @example
 * ```ts
 * @Controller('health')
 * export class HealthController {
 *   constructor(
 *     private readonly health: HealthCheckService,
 *     private readonly messages: TwoFactorHealthIndicator,
 *   ) {}
 *
 *   @Get('messages')
 *   @HealthCheck()
 *   check() {
 *     return this.health.check([() => this.messages.isHealthy('two-factor')]);
 *   }
 * }
 *
 * @Module({
 *   imports: [TerminusModule],
 *   controllers: [HealthController],
 *   providers: [TwoFactorHealthIndicator],
 * })
 * export class HealthModule {}
 * ```
 * @publicApi
 */
@Injectable()
export class TwoFactorHealthIndicator {
  /** @internal It is injected. */
  constructor(
    private readonly deliveries: DeliveryService,
    @Inject(SENDER_BACKENDS) private readonly backends: SenderBackends,
  ) {}

  /**
   * @param key The name of this check in the answer.
   * @returns `up` or `down`, with `queueAgeSeconds` (`null` with `delivery: 'inline'`) and the providers that are `passedOver`, as
   * `sender/provider`. It never throws.
   */
  async isHealthy<const Key extends string>(
    key: Key,
    { maxQueueAgeSeconds = DEFAULT_MAX_SECONDS }: HealthOptions = {},
  ): Promise<HealthIndicatorResult<Key>> {
    const { passedOver, isAnyClosed } = this.#providers();
    try {
      const queueAgeSeconds = await this.deliveries.queueAge();
      const isUp = (queueAgeSeconds ?? 0) <= maxQueueAgeSeconds && isAnyClosed;
      return resultOf(key, { status: isUp ? 'up' : 'down', queueAgeSeconds, passedOver });
    } catch (error) {
      return resultOf(key, { status: 'down', message: messageOf(error), passedOver });
    }
  }

  #providers(): { readonly passedOver: readonly string[]; readonly isAnyClosed: boolean } {
    const passedOver: string[] = [];
    let isAnyClosed = true;
    for (const { name: sender, send } of this.backends.values()) {
      const providers = send.providers?.() ?? [];
      const open = providers.filter(({ isPassedOver }) => isPassedOver);
      passedOver.push(...open.map(({ name }) => `${sender}/${name}`));
      if (open.length > 0 && open.length === providers.length) isAnyClosed = false;
    }
    return { passedOver, isAnyClosed };
  }
}

function resultOf<Key extends string>(
  key: Key,
  result: HealthIndicatorResult[string],
): HealthIndicatorResult<Key> {
  return { [key]: result } as HealthIndicatorResult<Key>;
}
