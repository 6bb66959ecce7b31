import {
  ConfigurableModuleBuilder,
  forwardRef,
  type DynamicModule,
  type InjectionToken,
  type Provider,
  type Type,
} from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';

import { TwoFactorConfigurationError } from './errors/index.js';
import { foreignServices } from './foreign-services.js';
import {
  createFactorsController,
  createTwoFactorController,
  type ControllerOptions,
} from './http/index.js';
import { DatabaseLimitStore, NoLimitStore, type LimitStore } from './limits/index.js';
import { DefaultMessageRenderer } from './messages/index.js';
import { TWO_FACTOR_ENTITIES } from './migrations/index.js';
import {
  FACTORS_PURPOSE,
  maxBatchSize,
  countsRequests,
  resolveOptions,
  type ResolvedOptions,
  type TwoFactorOptions,
} from './options/index.js';
import { SenderRegistry, type SenderDefinition } from './sender/index.js';
import {
  MESSAGE_RENDERER,
  SENDER_BACKENDS,
  TWO_FACTOR_DATA_SOURCE,
  TWO_FACTOR_LIMIT_STORE,
  TWO_FACTOR_OPTIONS,
} from './two-factor.tokens.js';

/**
 * The options of `TwoFactorModule.forRoot`, and the result of the factory of `forRootAsync`.
 *
 * @publicApi
 */
export interface TwoFactorModuleOptions extends TwoFactorOptions {
  /** The senders by name. Clients name a sender as `way`. @default {} */
  readonly senders?: Readonly<Record<string, SenderDefinition>> | undefined;
}

/**
 * The options that define the module itself. With `forRootAsync` they stand beside the factory, because Nest needs them before
 * it runs the factory.
 *
 * @publicApi
 */
export interface TwoFactorModuleExtras {
  /** Whether all modules can inject the services. At most one instance of an application may be global. @default true */
  readonly isGlobal?: boolean | undefined;
  /** Whether to add the bundled controller, and its options. `true`: at the path `2factor`. @default false */
  readonly controller?: ControllerOptions | boolean | undefined;
  /** The name of the TypeORM data source that holds the confirmations. @default the unnamed one */
  readonly dataSource?: string | undefined;
  /**
   * A provider of `TWO_FACTOR_LIMIT_STORE` that keeps the quotas outside of the database, such as
   * `nestjs-two-factor/rate-limiter-flexible`.
   */
  readonly limitStore?: Provider | undefined;
  /** A provider of `SENDER_BACKENDS` that replaces the senders which the module finds. */
  readonly senderBackends?: Provider | undefined;
  /**
   * A provider of `MESSAGE_RENDERER` that writes the messages, such as one that reads the texts of `nestjs-i18n`.
   * @default the provider of `DefaultMessageRenderer`
   */
  readonly messageRenderer?: Provider | undefined;
}

/** A class that creates the options, for `forRootAsync({ useClass })`. */
export interface TwoFactorOptionsFactory {
  createTwoFactorOptions(): TwoFactorModuleOptions | Promise<TwoFactorModuleOptions>;
}

const NO_EXTRAS: { [Extra in keyof TwoFactorModuleExtras]-?: TwoFactorModuleExtras[Extra] } = {
  isGlobal: true,
  controller: undefined,
  dataSource: undefined,
  limitStore: undefined,
  senderBackends: undefined,
  messageRenderer: undefined,
};

/** The names that a factory must not return. Nest needs these options before it runs the factory, and would ignore them. */
const MODULE_EXTRA_NAMES = Object.keys(NO_EXTRAS);

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN, OPTIONS_TYPE, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<TwoFactorModuleOptions>({
    optionsInjectionToken: Symbol.for('nestjs-two-factor:module-options'),
  })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createTwoFactorOptions')
    .setExtras<TwoFactorModuleExtras>(NO_EXTRAS, shapeModule)
    .build();

/**
 * Checks the argument of `forRoot` or the result of a factory, and resolves it.
 *
 * @throws TwoFactorConfigurationError for an extra among the options, and as `resolveOptions`.
 */
export function resolveModuleOptions(given: unknown): ResolvedOptions {
  const members = typeof given === 'object' && given !== null ? given : {};
  const extra = MODULE_EXTRA_NAMES.find((name) => name in members);
  if (extra !== undefined) {
    throw new TwoFactorConfigurationError(
      `The factory of TwoFactorModule returned ${extra}, which shapes the module and must be known before: write it ` +
        `beside the factory, as in forRootAsync({ ${extra}, useFactory }).`,
    );
  }
  return resolveOptions(given, process.env);
}

function shapeModule(definition: DynamicModule, extras: TwoFactorModuleExtras): DynamicModule {
  const {
    isGlobal = true,
    controller,
    dataSource,
    limitStore,
    senderBackends,
    messageRenderer,
  } = extras;
  const dataSourceToken = getDataSourceToken(dataSource);
  // Called for its effect on autoLoadEntities. It is not imported, because its repositories, which are not needed, would hide
  // a missing data source behind an error of their own.
  TypeOrmModule.forFeature([...TWO_FACTOR_ENTITIES], dataSource);
  const controllers = controller ? bundledControllers(controller === true ? {} : controller) : [];
  return {
    ...definition,
    global: isGlobal,
    // A reference, because another copy may be loaded after this call: Nest resolves it when it scans the application.
    imports: [...(definition.imports ?? []), forwardRef(foreignServices)],
    controllers,
    providers: [
      ...(definition.providers ?? []),
      {
        provide: FACTOR_ROUTES,
        useFactory: (modules: ModulesContainer, options: ResolvedOptions) =>
          removeUnneededRoutes(controllers, modules, options),
        inject: [ModulesContainer, TWO_FACTOR_OPTIONS],
      },
      {
        provide: TWO_FACTOR_DATA_SOURCE,
        useFactory: (modules: ModulesContainer, found?: DataSource) =>
          found ?? missingDataSource(modules, dataSourceToken, dataSource),
        inject: [ModulesContainer, { token: dataSourceToken, optional: true }],
      },
      limitStore ?? {
        provide: TWO_FACTOR_LIMIT_STORE,
        useFactory: openLimitStore,
        inject: [TWO_FACTOR_DATA_SOURCE, TWO_FACTOR_OPTIONS],
      },
      senderBackends ?? { provide: SENDER_BACKENDS, useClass: SenderRegistry },
      messageRenderer ?? { provide: MESSAGE_RENDERER, useExisting: DefaultMessageRenderer },
    ],
  };
}

/** Injects nothing: its factory decides whether there are routes of the factors. */
const FACTOR_ROUTES = Symbol('FactorRoutes');

function bundledControllers(options: ControllerOptions): Type[] {
  return [createTwoFactorController(options), createFactorsController(options)];
}

/**
 * Removes the routes of the factors from an application without methods, or without the purpose that says whose factors they
 * change. A factory of options decides that, and Nest wants the controllers before it runs. It reads them again when it
 * registers the routes.
 */
function removeUnneededRoutes(
  controllers: readonly Type[],
  modules: ModulesContainer,
  { methods, purposes }: ResolvedOptions,
): void {
  if (methods.size > 0 && purposes.has(FACTORS_PURPOSE)) return;
  const [, factorRoutes] = controllers;
  if (factorRoutes === undefined) return;
  for (const module of modules.values()) module.controllers.delete(factorRoutes);
}

/**
 * @returns a promise that never settles when there is a data source whose initialization failed. Nest reports that failure,
 * and stops the boot.
 * @throws TwoFactorConfigurationError when no module provides the data source.
 */
function missingDataSource(
  modules: ModulesContainer,
  token: InjectionToken,
  name = '',
): Promise<never> {
  const isProvided = [...modules.values()].some(({ providers }) => providers.has(token));
  if (isProvided) return new Promise(() => undefined);
  throw new TwoFactorConfigurationError(
    `TwoFactorModule finds no TypeORM data source${name && ` of the name "${name}"`}: import TypeOrmModule.forRoot({ ... }` +
      `${name && `, '${name}'`}) in the root module.`,
  );
}

/** Attempts for a statement that loses a race to another statement of this package. In practice the deadline comes first. */
const LIMIT_TRIES = 50;

function openLimitStore(dataSource: DataSource, options: ResolvedOptions): LimitStore {
  const { limits, databaseTimeoutMs: timeoutMs, preparedStatements, clock } = options;
  if (limits.failures === null && limits.pending === null && !countsRequests(limits)) {
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
