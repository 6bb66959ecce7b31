import { ConfigurableModuleBuilder, type DynamicModule, type Provider } from '@nestjs/common';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';

import { TwoFactorConfigurationError } from './errors/index.js';
import { createTwoFactorController, type ControllerOptions } from './http/index.js';
import { DatabaseLimitStore, NoLimitStore, type LimitStore } from './limits/index.js';
import { TWO_FACTOR_ENTITIES } from './migrations/index.js';
import {
  maxBatchSize,
  limitsSends,
  resolveOptions,
  type ResolvedOptions,
  type TwoFactorOptions,
} from './options/index.js';
import { SenderRegistry, type SenderDefinition } from './sender/index.js';
import {
  SENDER_BACKENDS,
  TWO_FACTOR_DATA_SOURCE,
  TWO_FACTOR_LIMIT_STORE,
  TWO_FACTOR_OPTIONS,
} from './two-factor.tokens.js';

/**
 * The options of `TwoFactorModule.forRoot`, and what the factory of `forRootAsync` returns.
 *
 * @publicApi
 */
export interface TwoFactorModuleOptions extends TwoFactorOptions {
  /** The ways to deliver a code, by the name that clients give as `way`. @default {} */
  readonly senders?: Readonly<Record<string, SenderDefinition>> | undefined;
}

/**
 * What shapes the module itself, and therefore is written beside the factory and never returned by it.
 *
 * @publicApi
 */
export interface TwoFactorModuleExtras {
  /** Whether all modules see the services. At most one instance in an application may be global. @default true */
  readonly isGlobal?: boolean | undefined;
  /** The bundled controller; `true` for the path `2factor`. @default false */
  readonly controller?: ControllerOptions | boolean | undefined;
  /** The name of the TypeORM data source that holds the confirmations. @default the unnamed one */
  readonly dataSource?: string | undefined;
  /**
   * A provider of `TWO_FACTOR_LIMIT_STORE` that keeps the budgets elsewhere than in the database, such as
   * `nestjs-two-factor/rate-limiter-flexible`.
   */
  readonly limitStore?: Provider | undefined;
  /** A provider of `SENDER_BACKENDS` that replaces the found ones. */
  readonly senderBackends?: Provider | undefined;
}

/** A class that `forRootAsync({ useClass })` makes the options with. */
export interface TwoFactorOptionsFactory {
  createTwoFactorOptions(): TwoFactorModuleOptions | Promise<TwoFactorModuleOptions>;
}

const NO_EXTRAS: { [Extra in keyof TwoFactorModuleExtras]-?: TwoFactorModuleExtras[Extra] } = {
  isGlobal: true,
  controller: undefined,
  dataSource: undefined,
  limitStore: undefined,
  senderBackends: undefined,
};

/** The names that a factory must not return: Nest needs them before any factory runs, and ignores them after. */
const EXTRAS = Object.keys(NO_EXTRAS);

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN, OPTIONS_TYPE, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<TwoFactorModuleOptions>({
    optionsInjectionToken: Symbol.for('nestjs-two-factor:module-options'),
  })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createTwoFactorOptions')
    .setExtras<TwoFactorModuleExtras>(NO_EXTRAS, shapeModule)
    .build();

/**
 * What `forRoot` was given or a factory returned, checked.
 *
 * @throws TwoFactorConfigurationError for an extra among the options, and as `resolveOptions`.
 */
export function resolveModuleOptions(given: unknown): ResolvedOptions {
  const members = typeof given === 'object' && given !== null ? given : {};
  const extra = EXTRAS.find((name) => name in members);
  if (extra !== undefined) {
    throw new TwoFactorConfigurationError(
      `The factory of TwoFactorModule returned ${extra}, which shapes the module and must be known before: write it ` +
        `beside the factory, as in forRootAsync({ ${extra}, useFactory }).`,
    );
  }
  return resolveOptions(given, process.env);
}

function shapeModule(definition: DynamicModule, extras: TwoFactorModuleExtras): DynamicModule {
  const { isGlobal = true, controller, dataSource, limitStore, senderBackends } = extras;
  return {
    ...definition,
    global: isGlobal,
    imports: [
      ...(definition.imports ?? []),
      TypeOrmModule.forFeature([...TWO_FACTOR_ENTITIES], dataSource),
    ],
    controllers: controller
      ? [createTwoFactorController(controller === true ? {} : controller)]
      : [],
    providers: [
      ...(definition.providers ?? []),
      { provide: TWO_FACTOR_DATA_SOURCE, useExisting: getDataSourceToken(dataSource) },
      limitStore ?? {
        provide: TWO_FACTOR_LIMIT_STORE,
        useFactory: openLimitStore,
        inject: [TWO_FACTOR_DATA_SOURCE, TWO_FACTOR_OPTIONS],
      },
      senderBackends ?? { provide: SENDER_BACKENDS, useClass: SenderRegistry },
    ],
  };
}

/** Ours lose races to each other, and soon win: only the deadline ends that. */
const LIMIT_TRIES = 50;

async function openLimitStore(
  dataSource: DataSource,
  options: ResolvedOptions,
): Promise<LimitStore> {
  const { limits, databaseTimeoutMs: timeoutMs, preparedStatements, clock } = options;
  if (limits.failures === null && limits.pending === null && !limitsSends(limits)) {
    return new NoLimitStore();
  }
  const tries = LIMIT_TRIES;
  return DatabaseLimitStore.open(dataSource, {
    timeoutMs,
    preparedStatements,
    maxBatchSize: maxBatchSize(options),
    tries,
    clock,
  });
}
