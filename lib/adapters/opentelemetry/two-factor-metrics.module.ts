import { Module, type DynamicModule, type ModuleMetadata } from '@nestjs/common';

import { DeliveryService } from '../../delivery/index.js';
import { TwoFactorConfigurationError } from '../../errors/index.js';
import { TwoFactorEvents } from '../../events/index.js';
import { refuseUnknown, type ResolvedOptions } from '../../options/index.js';
import type { SenderBackends } from '../../sender/index.js';
import { SENDER_BACKENDS, TWO_FACTOR_OPTIONS } from '../../two-factor.tokens.js';
import { TwoFactorMetrics } from './two-factor-metrics.js';

/** The options of `TwoFactorMetricsModule.forRoot`. */
export interface TwoFactorMetricsOptions {
  /** The modules that export the services of `TwoFactorModule`, if it is not global. @default [] */
  readonly imports?: ModuleMetadata['imports'] | undefined;
}

/**
 * Counts requests, deliveries, confirmations and refusals by `@opentelemetry/api`, and measures the age of the queue. Start the
 * SDK of OpenTelemetry before the application; without an SDK nothing is counted.
 *
 * Attributes are names of your options (senders, declared purposes) and words of this package. None holds a subject, a token, an id,
 * or a purpose that is not declared.
 *
 * @example
 * ```ts
 * @Module({
 *   imports: [TwoFactorModule.forRoot({ senders: { sms: { backend: SmsBackend } } }), TwoFactorMetricsModule.forRoot()],
 * })
 * export class AppModule {}
 * ```
 * @publicApi
 */
@Module({})
export class TwoFactorMetricsModule {
  /** @throws TwoFactorConfigurationError at boot, for an unknown option and a missing package. */
  static forRoot(options: TwoFactorMetricsOptions = {}): Promise<DynamicModule> {
    const definition = define(options);
    // Nest reports the failure when it awaits this import, which may be later than Node reports an unhandled rejection.
    definition.catch(() => undefined);
    return definition;
  }
}

async function define(options: TwoFactorMetricsOptions): Promise<DynamicModule> {
  refuseUnknown('option of TwoFactorMetricsModule:', options, ['imports']);
  const { metrics } = await loadApi();
  return {
    module: TwoFactorMetricsModule,
    imports: options.imports ?? [],
    providers: [
      {
        provide: TwoFactorMetrics,
        useFactory: (
          events: TwoFactorEvents,
          deliveries: DeliveryService,
          backends: SenderBackends,
          resolved: ResolvedOptions,
        ): TwoFactorMetrics => {
          const meter = metrics.getMeter('nestjs-two-factor');
          return new TwoFactorMetrics({ meter, events, deliveries, backends, options: resolved });
        },
        inject: [TwoFactorEvents, DeliveryService, SENDER_BACKENDS, TWO_FACTOR_OPTIONS],
      },
    ],
  };
}

/** @throws TwoFactorConfigurationError when the package is missing. */
async function loadApi(): Promise<Pick<typeof import('@opentelemetry/api'), 'metrics'>> {
  try {
    return await import('@opentelemetry/api');
  } catch (cause) {
    throw new TwoFactorConfigurationError(
      'TwoFactorMetricsModule needs the package @opentelemetry/api: install it with "npm install @opentelemetry/api".',
      { cause },
    );
  }
}
