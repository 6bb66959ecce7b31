import { Logger, Module, type DynamicModule, type OnModuleInit } from '@nestjs/common';
import { DiscoveryModule, ModulesContainer } from '@nestjs/core';
import type { DataSource } from 'typeorm';

import {
  CodeMethod,
  CONFIRMATION_METHODS,
  CONFIRMATION_WRITER,
  ConfirmationCreator,
  ConfirmationRedeemer,
  ConfirmationStates,
  ConfirmationStore,
  ConfirmationVerifier,
  ConfirmerService,
  EventPublisher,
  type ConfirmationMethods,
  openWriter,
  QuotaScopeResolver,
  PurgeService,
} from './confirmation/index.js';
import { AfterCommit } from './database/index.js';
import {
  BackendCaller,
  DELIVERY_QUEUE,
  DeliveryRecorder,
  DirectDelivery,
  SenderService,
} from './delivery/index.js';
import { TwoFactorConfigurationError } from './errors/index.js';
import { TwoFactorEvents } from './events/index.js';
import { GuardedRouteExplorer, PurposeService, RequesterService } from './http/index.js';
import { LimitService, QuotaLedger } from './limits/index.js';
import { maxBatchSize, purposeAccess, type ResolvedOptions } from './options/index.js';
import { TwoFactorService } from './request/index.js';
import { SenderExplorer } from './sender/index.js';
import {
  ASYNC_OPTIONS_TYPE,
  ConfigurableModuleClass,
  MODULE_OPTIONS_TOKEN,
  OPTIONS_TYPE,
  resolveModuleOptions,
} from './two-factor.module-definition.js';
import {
  InjectTwoFactorOptions,
  SENDER_BACKENDS,
  TWO_FACTOR_DATA_SOURCE,
  TWO_FACTOR_OPTIONS,
} from './two-factor.tokens.js';

async function openStore(
  dataSource: DataSource,
  options: ResolvedOptions,
): Promise<ConfirmationStore> {
  const {
    databaseTimeoutMs: timeoutMs,
    preparedStatements,
    maxAttempts,
    keyRing,
    clock,
    useWithinSeconds,
  } = options;
  return ConfirmationStore.open(dataSource, {
    timeoutMs,
    preparedStatements,
    maxBatchSize: maxBatchSize(options),
    tries: maxAttempts + 1,
    keys: keyRing.keys.length,
    purposes: purposeAccess(options),
    hasWays: [...options.purposes.values()].some(({ senders }) => senders !== undefined),
    clock,
    useWithinMs: useWithinSeconds * 1_000,
  });
}

/** A factory, because Nest runs it before any transport reads the guards of its routes; lifecycle hooks run after that. */
function orderedRoutes(modules: ModulesContainer): GuardedRouteExplorer {
  const explorer = new GuardedRouteExplorer(modules);
  explorer.moveGuardsLast();
  return explorer;
}

/**
 * Proves by one-time codes that a person holds a phone number or a mailbox. Each proof can be used once.
 *
 * @example
 * ```ts
 * @Module({
 *   imports: [
 *     TypeOrmModule.forRoot({ type: 'postgres', url: process.env.DATABASE_URL, autoLoadEntities: true }),
 *     TwoFactorModule.forRoot({
 *       secret: process.env.TWO_FACTOR_SECRET,
 *       senders: { default: { backend: SmsBackend } },
 *       controller: true,
 *     }),
 *   ],
 * })
 * export class AppModule {}
 * ```
 * @publicApi
 */
@Module({
  imports: [DiscoveryModule],
  providers: [
    {
      provide: TWO_FACTOR_OPTIONS,
      useFactory: resolveModuleOptions,
      inject: [MODULE_OPTIONS_TOKEN],
    },
    {
      provide: ConfirmationStore,
      useFactory: openStore,
      inject: [TWO_FACTOR_DATA_SOURCE, TWO_FACTOR_OPTIONS],
    },
    {
      provide: CONFIRMATION_WRITER,
      useFactory: openWriter,
      inject: [ConfirmationStore, QuotaLedger, QuotaScopeResolver, TWO_FACTOR_OPTIONS],
    },
    {
      provide: CONFIRMATION_METHODS,
      useFactory: (code: CodeMethod): ConfirmationMethods => new Map([[code.name, code]]),
      inject: [CodeMethod],
    },
    {
      provide: AfterCommit,
      useFactory: (dataSource: DataSource) => new AfterCommit(dataSource),
      inject: [TWO_FACTOR_DATA_SOURCE],
    },
    {
      provide: GuardedRouteExplorer,
      useFactory: orderedRoutes,
      inject: [ModulesContainer],
    },
    { provide: DELIVERY_QUEUE, useClass: DirectDelivery },
    BackendCaller,
    CodeMethod,
    ConfirmationCreator,
    ConfirmationRedeemer,
    ConfirmationStates,
    ConfirmationVerifier,
    ConfirmerService,
    DeliveryRecorder,
    EventPublisher,
    LimitService,
    QuotaLedger,
    QuotaScopeResolver,
    PurgeService,
    PurposeService,
    RequesterService,
    SenderExplorer,
    SenderService,
    TwoFactorEvents,
    TwoFactorService,
  ],
  exports: [
    ConfirmerService,
    LimitService,
    PurposeService,
    SENDER_BACKENDS,
    SenderService,
    TWO_FACTOR_OPTIONS,
    TwoFactorEvents,
    TwoFactorService,
  ],
})
export class TwoFactorModule extends ConfigurableModuleClass implements OnModuleInit {
  readonly #logger = new Logger(TwoFactorModule.name);

  /** @internal It is injected. */
  constructor(
    private readonly modules: ModulesContainer,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {
    super();
  }

  /**
   * Configures the module by one object of options.
   *
   * @throws TwoFactorConfigurationError at boot; the message names the option, its value and the remedy.
   */
  static override forRoot(options: typeof OPTIONS_TYPE): DynamicModule {
    return super.forRoot(options);
  }

  /**
   * Configures the module by a factory, a class or an existing provider. The options `isGlobal`, `controller`, `dataSource`,
   * `limitStore` and `senderBackends` stand beside it.
   *
   * @throws TwoFactorConfigurationError at boot, as `forRoot`.
   * @example
   * ```ts
   * TwoFactorModule.forRootAsync({
   *   controller: true,
   *   inject: [ConfigService],
   *   useFactory: (config: ConfigService) => ({ secret: config.getOrThrow('TWO_FACTOR_SECRET') }),
   * });
   * ```
   */
  static override forRootAsync(options: typeof ASYNC_OPTIONS_TYPE): DynamicModule {
    return super.forRootAsync(options);
  }

  onModuleInit(): void {
    const instances = [...this.modules.values()].filter(
      ({ metatype }) => metatype === TwoFactorModule,
    );
    if (instances.filter(({ isGlobal }) => isGlobal).length > 1) {
      throw new TwoFactorConfigurationError(
        'TwoFactorModule is imported twice as a global module, and one would hide the other. Set isGlobal: false on ' +
          'both, and import each where it is used.',
      );
    }
    // The key names are no secret. Compare them between instances: a code is confirmed only where its key is known.
    const kids = this.options.keyRing.keys.map(({ kid }) => kid);
    this.#logger.debug(`Keys by their names, the first one signs: ${kids.join(', ')}.`);
    if (this.options.secretIsRandom) {
      this.#logger.warn(
        'There is no secret: drew one for development. Confirmations end with this process.',
      );
    }
    if (this.options.secretIsReplaced) {
      this.#logger.warn(
        'TWO_FACTOR_SECRET stands in for the option secret, which is another one: confirmations under the option are ' +
          'void. Set one of them, or list both in TWO_FACTOR_SECRETS.',
      );
    }
    if (this.options.debugCodeResponse) {
      this.#logger.warn('debugCodeResponse is on: the controller answers the codes.');
    }
  }
}
