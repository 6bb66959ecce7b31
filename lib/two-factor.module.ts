import {
  Logger,
  Module,
  type DynamicModule,
  type OnApplicationBootstrap,
  type OnModuleInit,
} from '@nestjs/common';
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
  type ConfirmationMethod,
  type ConfirmationMethods,
  DELIVERY_UPKEEP,
  ENROLLED_METHODS,
  FACTOR_UPKEEP,
  chooseWriter,
  PrefixWatch,
  QuotaScopeResolver,
  PurgeService,
  TestRecipients,
} from './confirmation/index.js';
import { AfterCommit, warnOfClockSkew } from './database/index.js';
import {
  BackendCaller,
  DELIVERY_QUEUE,
  DeliveryRecorder,
  DeliveryService,
  DeliveryStore,
  deliveryTable,
  createDeliveryStore,
  DeliveryWorker,
  DirectDelivery,
  FailedMessages,
  MessageWriter,
  MessageDelivery,
  QueuedDelivery,
  SenderService,
} from './delivery/index.js';
import {
  COPIES_REMEDY,
  copiesHint,
  otherCopies,
  registerCopy,
  TwoFactorConfigurationError,
} from './errors/index.js';
import { TwoFactorEvents } from './events/index.js';
import {
  FactorChangesService,
  GuardedRouteExplorer,
  PurposeService,
  RequesterService,
} from './http/index.js';
import { LimitService, QuotaLedger } from './limits/index.js';
import { DefaultMessageRenderer } from './messages/index.js';
import {
  EnrolledFactors,
  FactorConfirmationMethod,
  FactorEvents,
  FactorMethod,
  FactorService,
  FactorStore,
  factorTable,
} from './methods/index.js';
import { DEFAULTS, maxBatchSize, purposeAccess, type ResolvedOptions } from './options/index.js';
import { MethodChooser, TwoFactorService } from './request/index.js';
import { SenderExplorer } from './sender/index.js';
import { SingletonCheck } from './singletons.js';
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
import { warnAtBoot } from './warn-at-boot.js';

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
  // A clock of the application may differ on purpose.
  if (clock === DEFAULTS.clock) await warnOfClockSkew(dataSource, new Logger(TwoFactorModule.name));
  return ConfirmationStore.open(dataSource, {
    timeoutMs,
    preparedStatements,
    maxBatchSize: maxBatchSize(options),
    tries: maxAttempts + 1,
    keys: keyRing.keys.length,
    purposes: purposeAccess(options),
    hasMethods: options.methods.size > 0,
    hasSenderRules: [...options.purposes.values()].some(({ senders }) => senders !== undefined),
    queue: options.delivery === 'queued' ? deliveryTable(dataSource) : null,
    factors: options.methods.size > 0 ? factorTable(dataSource) : null,
    clock,
    useWithinMs: useWithinSeconds * 1_000,
  });
}

/** `null` without the option `methods`, so that no statement touches the table of the factors. */
function openFactors(
  dataSource: DataSource,
  confirmations: ConfirmationStore,
  options: ResolvedOptions,
): FactorStore | null {
  return options.methods.size === 0 ? null : FactorStore.open(dataSource, confirmations, options);
}

function allMethods(
  code: CodeMethod,
  factors: FactorStore | null,
  confirmations: ConfirmationStore,
  ledger: QuotaLedger,
  scopes: QuotaScopeResolver,
  events: FactorEvents,
  options: ResolvedOptions,
): ConfirmationMethods {
  const methods = new Map<string, ConfirmationMethod>([[code.name, code]]);
  if (factors === null) return methods;
  const parts = { factors, confirmations, ledger, scopes, events, options };
  for (const [name, method] of options.methods) {
    if (!(method instanceof FactorMethod)) {
      throw new TwoFactorConfigurationError(
        `The method ${name} is none of this package. Give what totp(), passkeys(), recoveryCodes() or rememberedDevices() returns.${copiesHint()}`,
      );
    }
    methods.set(name, new FactorConfirmationMethod(method, parts));
  }
  return methods;
}

/**
 * Moves our guards behind the other guards of each route, and returns the explorer that did it. This is a provider factory,
 * because Nest runs it before any transport reads the guards of its routes. Lifecycle hooks run after that.
 */
function routesWithGuardsLast(modules: ModulesContainer): GuardedRouteExplorer {
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
      useFactory: chooseWriter,
      inject: [ConfirmationStore, QuotaLedger, QuotaScopeResolver, TWO_FACTOR_OPTIONS],
    },
    {
      provide: CONFIRMATION_METHODS,
      useFactory: allMethods,
      inject: [
        CodeMethod,
        FactorStore,
        ConfirmationStore,
        QuotaLedger,
        QuotaScopeResolver,
        FactorEvents,
        TWO_FACTOR_OPTIONS,
      ],
    },
    {
      provide: FactorStore,
      useFactory: openFactors,
      inject: [TWO_FACTOR_DATA_SOURCE, ConfirmationStore, TWO_FACTOR_OPTIONS],
    },
    {
      provide: FactorEvents,
      useFactory: (...parts: [TwoFactorEvents, AfterCommit, ResolvedOptions]) =>
        new FactorEvents(...parts),
      inject: [TwoFactorEvents, AfterCommit, TWO_FACTOR_OPTIONS],
    },
    { provide: FACTOR_UPKEEP, useExisting: FactorStore },
    { provide: ENROLLED_METHODS, useClass: EnrolledFactors },
    {
      provide: AfterCommit,
      useFactory: (dataSource: DataSource) => new AfterCommit(dataSource),
      inject: [TWO_FACTOR_DATA_SOURCE],
    },
    {
      provide: GuardedRouteExplorer,
      useFactory: routesWithGuardsLast,
      inject: [ModulesContainer],
    },
    {
      provide: DefaultMessageRenderer,
      useFactory: ({ messages }: ResolvedOptions) => new DefaultMessageRenderer(messages),
      inject: [TWO_FACTOR_OPTIONS],
    },
    {
      provide: DeliveryStore,
      useFactory: createDeliveryStore,
      inject: [TWO_FACTOR_DATA_SOURCE, ConfirmationStore, TWO_FACTOR_OPTIONS],
    },
    { provide: DELIVERY_UPKEEP, useExisting: DeliveryStore },
    {
      provide: DELIVERY_QUEUE,
      useFactory: (direct: DirectDelivery, queued: QueuedDelivery, options: ResolvedOptions) =>
        options.delivery === 'queued' ? queued : direct,
      inject: [DirectDelivery, QueuedDelivery, TWO_FACTOR_OPTIONS],
    },
    BackendCaller,
    CodeMethod,
    ConfirmationCreator,
    ConfirmationRedeemer,
    ConfirmationStates,
    ConfirmationVerifier,
    ConfirmerService,
    DeliveryRecorder,
    DeliveryService,
    DeliveryWorker,
    DirectDelivery,
    EventPublisher,
    FactorChangesService,
    FactorService,
    FailedMessages,
    LimitService,
    MessageWriter,
    MessageDelivery,
    MethodChooser,
    PrefixWatch,
    QuotaLedger,
    QuotaScopeResolver,
    PurgeService,
    PurposeService,
    QueuedDelivery,
    RequesterService,
    SenderExplorer,
    SenderService,
    SingletonCheck,
    TestRecipients,
    TwoFactorEvents,
    TwoFactorService,
  ],
  exports: [
    ConfirmerService,
    DeliveryService,
    FactorService,
    LimitService,
    PurposeService,
    SENDER_BACKENDS,
    SenderService,
    TWO_FACTOR_OPTIONS,
    TwoFactorEvents,
    TwoFactorService,
  ],
})
export class TwoFactorModule
  extends ConfigurableModuleClass
  implements OnModuleInit, OnApplicationBootstrap
{
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
   * `limitStore`, `senderBackends` and `messageRenderer` stand beside it.
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
    this.#refuseOtherCopies();
    const instances = [...this.modules.values()].filter(
      ({ metatype }) => metatype === TwoFactorModule,
    );
    if (instances.filter(({ isGlobal }) => isGlobal).length > 1) {
      throw new TwoFactorConfigurationError(
        'TwoFactorModule is imported twice as a global module, and one would hide the other. Set isGlobal: false on ' +
          'both, and import each where it is used.',
      );
    }
    warnAtBoot(this.#logger, this.options);
  }

  /** @throws TwoFactorConfigurationError when a method lacks its package: the boot must fail then, and not the first login. */
  async onApplicationBootstrap(): Promise<void> {
    for (const method of this.options.methods.values()) {
      if (method instanceof FactorMethod) await method.prepare?.();
    }
  }

  /** Two copies share the names of their tables and of their tokens, so that one would read what the other has provided. */
  #refuseOtherCopies(): void {
    const others = otherCopies();
    if (others.length === 0) return;
    const isImported = [...this.modules.values()].some(({ metatype }) =>
      others.some(({ module }) => module === metatype),
    );
    if (isImported) {
      throw new TwoFactorConfigurationError(
        `The application imports TwoFactorModule from two copies of nestjs-two-factor. ${COPIES_REMEDY}`,
      );
    }
    this.#logger.warn(
      `Another copy of nestjs-two-factor is loaded in this process, whose services this application cannot inject. ${COPIES_REMEDY}`,
    );
  }
}

registerCopy({
  module: TwoFactorModule,
  services: [
    ConfirmerService,
    FactorService,
    LimitService,
    PurposeService,
    SenderService,
    TwoFactorEvents,
    TwoFactorService,
  ],
});
