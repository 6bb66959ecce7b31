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

/** The options of `TwoFactorTestingModule.forRoot`: those of `TwoFactorModule`, and the doubles. */
export interface TwoFactorTestingOptions extends TwoFactorModuleOptions, TwoFactorModuleExtras {
  /** Where the messages go. @default one of its own: `module.get(TestInbox)` */
  readonly inbox?: TestInbox | undefined;
  /** Tells the time. @default a `FakeClock` of its own: `module.get(FakeClock)` */
  readonly clock?: Clock | undefined;
}

/** What `TwoFactorTestingModule.override` puts into an application. */
export interface TwoFactorTestingOverrides extends Omit<TwoFactorModuleOptions, 'senders'> {
  /** Where the messages of all senders go. */
  readonly inbox: TestInbox;
  /** Tells the time. @default the application's */
  readonly clock?: Clock | undefined;
}

/** As much of `@nestjs/testing`'s `TestingModuleBuilder` as is wanted, so that the kit does not import that package. */
export interface OverridableBuilder {
  overrideProvider(token: symbol): {
    useFactory(options: {
      factory: (given: unknown) => unknown;
      inject?: (string | symbol)[];
    }): unknown;
  };
}

/**
 * `TwoFactorModule` as tests want it: a secret of its own, an inbox as sender `default`, a clock that stands still, no
 * purge in the background, and nothing of the environment but `NODE_ENV`. What you give counts more.
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
  /** A configuration that is read at boot may have changed `NODE_ENV`. */
  onModuleInit(): void {
    assertDevelopment('TwoFactorTestingModule');
  }

  /** @throws TwoFactorConfigurationError unless `NODE_ENV` is `development` or `test`. */
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
   * Puts the doubles into an application that imports `TwoFactorModule` by itself. All its senders stay as they are, found
   * and checked at boot, but what they send goes to the inbox. Nothing is purged in the background. Further options
   * replace those of the application.
   *
   * @returns the builder that was given, to go on with.
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
  // What is no object is for `resolveModuleOptions` to complain about.
  if (typeof given !== 'object' || given === null) return given;
  const said = Object.entries(options).filter(([, value]) => value !== undefined);
  return { ...given, ...Object.fromEntries(said) };
}
