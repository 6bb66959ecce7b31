import { Inject, Injectable, Scope, type DynamicModule } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import { afterEach, describe, expect, it } from 'vitest';

import {
  SENDER_BACKENDS,
  SenderBackend,
  SenderService,
  TwoFactorModule,
  TwoFactorService,
  type SenderBackends,
  type SenderDefinition,
  type TwoFactorModuleExtras,
  type TwoFactorModuleOptions,
  type TwoFactorOptionsFactory,
} from '../../lib/index.js';
import { drawCanaryCode, recordOutput } from '../support/canaries.js';
import { TestInbox, SECRET } from '../support/test-app.js';
import {
  TOKEN,
  open,
  configurationError,
  moduleOf,
  Gateway,
  SmsBackend,
  PlainBackend,
  smsModule,
} from './sender-fixtures.js';

afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

type AsyncOptions = Parameters<typeof TwoFactorModule.forRootAsync>[0];

/** An application whose module is made by `forRootAsync`, or by several. */
async function startAsync(
  modules: readonly DynamicModule[],
  imports: readonly DynamicModule[] = [],
): Promise<{
  sender: SenderService;
  twoFactor: TwoFactorService;
  get: (token: unknown) => unknown;
}> {
  const module = await Test.createTestingModule({
    imports: [
      TypeOrmModule.forRoot({ type: 'sqljs', autoLoadEntities: true, synchronize: true }),
      ...imports,
      ...modules,
    ],
  }).compile();
  const app = module.createNestApplication();
  try {
    await app.init();
  } catch (error) {
    recordOutput('boot error', error);
    await app.close();
    throw error;
  }
  open.push(app);
  return {
    sender: app.get(SenderService, { strict: false }),
    twoFactor: app.get(TwoFactorService, { strict: false }),
    get: (token) => app.get(token as string, { strict: false }),
  };
}

function optionsWith(senders: TwoFactorModuleOptions['senders']): TwoFactorModuleOptions {
  return { secret: SECRET, codeGenerator: drawCanaryCode, autoPurge: false, senders };
}

function forRootAsync(options: AsyncOptions): DynamicModule {
  return TwoFactorModule.forRootAsync(options);
}

describe('forRootAsync', () => {
  const CONFIG = 'config';

  it('takes a factory with imports and inject, and its own extras beside it', async () => {
    const inbox = new TestInbox();
    const config = moduleOf('ConfigModule', { provide: CONFIG, useValue: { sender: 'sms' } });
    const { twoFactor, get } = await startAsync([
      forRootAsync({
        isGlobal: false,
        controller: { path: 'codes' },
        imports: [config],
        inject: [CONFIG],
        useFactory: async ({ sender }: { sender: string }) => ({
          ...optionsWith({ [sender]: { backend: () => inbox.send } }),
          defaultSender: sender,
        }),
      }),
    ]);
    await twoFactor.request({ token: TOKEN });
    expect(inbox.deliveries.map(({ name }) => name)).toEqual(['sms']);
    expect([...(get(SENDER_BACKENDS) as SenderBackends).keys()]).toEqual(['sms']);
  });

  it('takes a class', async () => {
    const inbox = new TestInbox();
    @Injectable()
    class OptionsOf implements TwoFactorOptionsFactory {
      createTwoFactorOptions(): TwoFactorModuleOptions {
        return optionsWith({ default: { backend: () => inbox.send } });
      }
    }
    const { twoFactor } = await startAsync([forRootAsync({ useClass: OptionsOf })]);
    await twoFactor.request({ token: TOKEN });
    expect(inbox.deliveries).toHaveLength(1);
  });

  it('takes an existing provider', async () => {
    const inbox = new TestInbox();
    @Injectable()
    class Existing implements TwoFactorOptionsFactory {
      calls = 0;

      async createTwoFactorOptions(): Promise<TwoFactorModuleOptions> {
        this.calls += 1;
        return optionsWith({ default: { backend: () => inbox.send } });
      }
    }
    const existing = moduleOf('ExistingModule', Existing);
    const { twoFactor, get } = await startAsync(
      [forRootAsync({ imports: [existing], useExisting: Existing })],
      [existing],
    );
    await twoFactor.request({ token: TOKEN });
    expect(inbox.deliveries).toHaveLength(1);
    expect((get(Existing) as Existing).calls).toBe(1);
  });

  it('finds classes that some module provides', async () => {
    const { sender, get } = await startAsync(
      [forRootAsync({ useFactory: () => optionsWith({ default: { backend: SmsBackend } }) })],
      [smsModule],
    );
    expect(sender.sender(null).verboseName).toBe('Text message');
    expect((get(Gateway) as Gateway).delivered).toEqual([]);
  });

  it('instantiates a class with its lifecycle hooks when no module provides it, like forRoot', async () => {
    const made: PlainBackend[] = [];
    class Counted extends PlainBackend {
      constructor() {
        super();
        made.push(this);
      }
    }
    await startAsync([
      forRootAsync({ useFactory: () => optionsWith({ default: { backend: Counted } }) }),
    ]);

    expect(made).toHaveLength(1);
    expect(made[0]?.hooks).toEqual(['init']);
  });

  it.each<[keyof TwoFactorModuleExtras, unknown]>([
    ['isGlobal', false],
    ['controller', true],
    ['controller', undefined],
    ['dataSource', 'second'],
    ['senderBackends', { provide: SENDER_BACKENDS, useValue: new Map() }],
  ])('refuses a factory that returns the extra %s: %o', async (extra, value) => {
    const useFactory = (): TwoFactorModuleOptions =>
      Object.assign(optionsWith({}), { [extra]: value });
    expect(await configurationError(startAsync([forRootAsync({ useFactory })]))).toBe(
      `The factory of TwoFactorModule returned ${extra}, which shapes the module and must be known before: write it ` +
        `beside the factory, as in forRootAsync({ ${extra}, useFactory }).`,
    );
  });

  it('refuses wrong options by name, like forRoot', async () => {
    const options = { ...optionsWith({}), maxAttempts: 11 };
    expect(
      await configurationError(startAsync([forRootAsync({ useFactory: () => options })])),
    ).toBe('Option maxAttempts is 11. Give a whole number from 1 to 10.');
  });
});

describe('forRootAsync with a provider that is no singleton', () => {
  const SCOPES = [
    ['request-scoped', Scope.REQUEST],
    ['transient', Scope.TRANSIENT],
  ] as const;

  /** Each way by which the options may depend on a provider of the scope. */
  const PATHS: readonly (readonly [
    path: string,
    plant: (scope: Scope) => readonly [AsyncOptions, DynamicModule],
  ])[] = [
    [
      'the inject list',
      (scope) => {
        @Injectable({ scope })
        class Scoped {}
        const imported = moduleOf('ScopedModule', Scoped);
        const useFactory = (): TwoFactorModuleOptions => optionsWith({});
        return [{ imports: [imported], inject: [Scoped], useFactory }, imported];
      },
    ],
    [
      'a factory of the imports',
      (scope) => {
        const provider = { provide: 'scoped', scope, useFactory: () => ({}) };
        const imported = moduleOf('ScopedModule', provider);
        const useFactory = (): TwoFactorModuleOptions => optionsWith({});
        return [{ imports: [imported], inject: ['scoped'], useFactory }, imported];
      },
    ],
    [
      'useClass',
      (scope) => {
        @Injectable({ scope })
        class Scoped implements TwoFactorOptionsFactory {
          createTwoFactorOptions(): TwoFactorModuleOptions {
            return optionsWith({});
          }
        }
        return [{ useClass: Scoped }, moduleOf('EmptyModule')];
      },
    ],
    [
      'useExisting',
      (scope) => {
        @Injectable({ scope })
        class Scoped implements TwoFactorOptionsFactory {
          createTwoFactorOptions(): TwoFactorModuleOptions {
            return optionsWith({});
          }
        }
        const imported = moduleOf('ScopedModule', Scoped);
        return [{ imports: [imported], useExisting: Scoped }, imported];
      },
    ],
    [
      'a dependency of a dependency',
      (scope) => {
        @Injectable({ scope })
        class Scoped {}
        @Injectable()
        class Config {
          constructor(@Inject(Scoped) readonly scoped: Scoped) {}
        }
        const imported = moduleOf('ConfigModule', Config, Scoped);
        const useFactory = (): TwoFactorModuleOptions => optionsWith({});
        return [{ imports: [imported], inject: [Config], useFactory }, imported];
      },
    ],
    [
      'a property of a dependency',
      (scope) => {
        @Injectable({ scope })
        class Scoped {}
        @Injectable()
        class Config {
          @Inject(Scoped) readonly scoped!: Scoped;
        }
        const imported = moduleOf('ConfigModule', Config, Scoped);
        const useFactory = (): TwoFactorModuleOptions => optionsWith({});
        return [{ imports: [imported], inject: [Config], useFactory }, imported];
      },
    ],
  ];

  it.each(
    SCOPES.flatMap(([name, scope]) => PATHS.map(([path, plant]) => ({ name, scope, path, plant }))),
  )('is refused when a $name provider comes by $path', async ({ name, scope, plant }) => {
    const [options, imported] = plant(scope);
    const message = await configurationError(startAsync([forRootAsync(options)], [imported]));
    expect(message).toMatch(/^TwoFactorModule depends on (Scoped|scoped), which is /);
    expect(message).toContain(`which is ${name} (`);
    expect(message).toMatch(
      / -> (Scoped|scoped)\)\. Its options are read once, at boot: inject singletons alone/,
    );
  });
});

function instance(
  inbox: TestInbox,
  isGlobal: boolean,
  backend: SenderDefinition['backend'] = () => inbox.send,
): DynamicModule {
  return TwoFactorModule.forRoot({ ...optionsWith({ default: { backend } }), isGlobal });
}

describe('two instances of the module', () => {
  it('are refused when both modules are global, because one would hide the other', async () => {
    expect(
      await configurationError(
        startAsync([instance(new TestInbox(), true), instance(new TestInbox(), true)]),
      ),
    ).toBe(
      'TwoFactorModule is imported twice as a global module, and one would hide the other. Set isGlobal: false on ' +
        'both, and import each where it is used.',
    );
  });

  it('serve their own modules with their own senders when neither is global', async () => {
    @Injectable()
    class One {
      constructor(readonly twoFactor: TwoFactorService) {}
    }
    @Injectable()
    class Two {
      constructor(readonly twoFactor: TwoFactorService) {}
    }
    const boxes = [new TestInbox(), new TestInbox()];
    const { get } = await startAsync(
      [],
      [One, Two].map((user, index) => ({
        ...moduleOf(`${user.name}Module`, user),
        imports: [instance(boxes[index]!, false)],
      })),
    );
    await (get(One) as One).twoFactor.request({ token: TOKEN });
    await (get(Two) as Two).twoFactor.request({ token: TOKEN });
    await (get(Two) as Two).twoFactor.request({ token: TOKEN });
    expect(boxes.map(({ deliveries }) => deliveries.length)).toEqual([1, 2]);
  });

  it('instantiate a class once for each of them when no module provides it', async () => {
    const made: PlainBackend[] = [];
    @SenderBackend('each')
    class Each extends PlainBackend {
      constructor() {
        super();
        made.push(this);
      }
    }
    const { get } = await startAsync([
      instance(new TestInbox(), false, Each),
      instance(new TestInbox(), false, Each),
    ]);
    expect(made).toHaveLength(2);
    expect([...(get(SENDER_BACKENDS) as SenderBackends).keys()]).toEqual(['default']);
  });
});
