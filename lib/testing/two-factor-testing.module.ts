import { randomBytes } from 'node:crypto';

import { Module, type DynamicModule, type OnModuleInit } from '@nestjs/common';

import type { Clock } from '../options/index.js';
import {
  MODULE_OPTIONS_TOKEN,
  resolveModuleOptions,
  type TwoFactorModuleExtras,
  type TwoFactorModuleOptions,
} from '../two-factor.module-definition.js';
import { TwoFactorModule } from '../two-factor.module.js';
import { SENDER_BACKENDS, TWO_FACTOR_OPTIONS } from '../two-factor.tokens.js';
import { assertDevelopment } from './assert-development.js';
import { FakeClock } from './fake-clock.js';
import { TestInbox } from './test-inbox.js';
import { TestInboxRegistry } from './test-inbox-registry.js';

/** The options of `TwoFactorTestingModule.forRoot`: those of `TwoFactorModule`, an inbox and a clock. */
export interface TwoFactorTestingOptions extends TwoFactorModuleOptions, TwoFactorModuleExtras {
  /** The inbox of all messages. @default a new one: `module.get(TestInbox)` */
  readonly inbox?: TestInbox | undefined;
  /** The source of time. @default a new `FakeClock`: `module.get(FakeClock)` */
  readonly clock?: Clock | undefined;
}

/** The replacements of `TwoFactorTestingModule.override`. */
export interface TwoFactorTestingOverrides extends Omit<TwoFactorModuleOptions, 'senders'> {
  /** The inbox of the messages of all senders. */
  readonly inbox: TestInbox;
  /** The source of time. @default that of the application */
  readonly clock?: Clock | undefined;
}

/** The method of `TestingModuleBuilder` that is called here, so that the kit does not depend on `@nestjs/testing`. */
export interface OverridableBuilder {
  overrideProvider(token: symbol): {
    useFactory(options: {
      factory: (given: unknown) => unknown;
      inject?: (string | symbol)[];
    }): unknown;
  };
}

/**
 * `TwoFactorModule` with settings for tests: a drawn secret, an inbox as sender `default`, a clock that stands still, no background
 * purge, no worker (`DeliveryService.sweep` sends what is queued), and no environment variables except `NODE_ENV`. The given options take precedence.
 *
 * @example
 * ```ts
 * const module = await Test.createTestingModule({
 *   imports: [
 *     TypeOrmModule.forRoot({ type: 'sqljs', autoLoadEntities: true, synchronize: true }),
 *     TwoFactorTestingModule.forRoot({ limits: false }),
 *   ],
 * }).compile();
 * await module.init();
 * const inbox = module.get(TestInbox);
 * const clock = module.get(FakeClock);
 * ```
 * @publicApi
 */
@Module({})
export class TwoFactorTestingModule implements OnModuleInit {
  /** Checks again, because a configuration that is read at boot may have changed `NODE_ENV`. */
  onModuleInit(): void {
    assertDevelopment('TwoFactorTestingModule');
  }

  /**
   * Configures the module for tests.
   *
   * @throws TwoFactorConfigurationError unless `NODE_ENV` is `development` or `test`, and as `TwoFactorModule.forRoot`.
   */
  static forRoot(options: TwoFactorTestingOptions = {}): DynamicModule {
    assertDevelopment('TwoFactorTestingModule');
    const { inbox = new TestInbox(), clock = new FakeClock(), senders, ...given } = options;
    const hasSecret = given.secret !== undefined || given.secrets !== undefined;
    const doubles = [
      { provide: TestInbox, useValue: inbox },
      ...(clock instanceof FakeClock ? [{ provide: FakeClock, useValue: clock }] : []),
    ];
    return {
      module: TwoFactorTestingModule,
      global: given.isGlobal ?? true,
      imports: [
        TwoFactorModule.forRoot({
          autoPurge: false,
          worker: false,
          env: false,
          ...(hasSecret ? {} : { secret: randomBytes(32) }),
          ...given,
          clock,
          senders: { default: { backend: inbox.backend }, ...senders },
        }),
      ],
      providers: doubles,
      exports: [TwoFactorModule, ...doubles.map(({ provide }) => provide)],
    };
  }

  /**
   * Replaces providers of an application that imports `TwoFactorModule` itself. Its senders are found and checked at boot as usual,
   * but their messages are put into the inbox. There is no background purge. Further options replace those of the application.
   *
   * @returns the given builder.
   * @throws TwoFactorConfigurationError unless `NODE_ENV` is `development` or `test`.
   * @example
   * ```ts
   * const inbox = new TestInbox();
   * const clock = new FakeClock();
   * const builder = Test.createTestingModule({ imports: [AppModule] });
   * const module = await TwoFactorTestingModule.override(builder, { inbox, clock }).compile();
   * ```
   */
  static override<Builder extends OverridableBuilder>(
    builder: Builder,
    overrides: TwoFactorTestingOverrides,
  ): Builder {
    assertDevelopment('TwoFactorTestingModule');
    const { inbox, ...options } = overrides;
    builder
      .overrideProvider(SENDER_BACKENDS)
      .useFactory({ factory: () => new TestInboxRegistry(inbox) });
    builder.overrideProvider(TWO_FACTOR_OPTIONS).useFactory({
      inject: [MODULE_OPTIONS_TOKEN],
      factory: (given) => resolveModuleOptions(merged(given, { autoPurge: false, ...options })),
    });
    return builder;
  }
}

function merged(given: unknown, options: TwoFactorModuleOptions): unknown {
  // Returned unchanged, because `resolveModuleOptions` refuses everything but an object with a message of its own.
  if (typeof given !== 'object' || given === null) return given;
  const defined = Object.entries(options).filter(([, value]) => value !== undefined);
  return { ...given, ...Object.fromEntries(defined) };
}
