import {
  Inject,
  Injectable,
  Module,
  Scope,
  type DynamicModule,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleInit,
  type Provider,
} from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import { afterEach, describe, expect, it } from 'vitest';

import {
  defineSender,
  functionalSenderBackend,
  InjectSenderBackends,
  SENDER_BACKENDS,
  SenderBackend,
  SenderService,
  TwoFactorConfigurationError,
  TwoFactorInputError,
  TwoFactorModule,
  TwoFactorService,
  type Delivery,
  type ResolvedSender,
  type SenderBackendFactoryInput,
  type SenderBackends,
  type SenderDefinition,
  type TwoFactorModuleExtras,
  type TwoFactorModuleOptions,
  type TwoFactorOptionsFactory,
} from '../../lib/index.js';
import { drawCanaryCode, recordOutput } from '../support/canaries.js';
import {
  TestInbox,
  SECRET,
  startApp,
  type TestApp,
  type TestAppInput,
} from '../support/test-app.js';

const TOKEN = 'ann@example.com';

const open: { close(): Promise<unknown> }[] = [];

afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

async function start(input: TestAppInput = {}): Promise<TestApp> {
  const app = await startApp(input);
  open.push(app);
  return app;
}

/** Starts an application whose senders are these, and the inbox as `default` unless they say otherwise. */
async function startWith(
  senders: Record<string, SenderDefinition>,
  input: TestAppInput & { readonly inbox?: TestInbox } = {},
): Promise<TestApp> {
  const { inbox = new TestInbox(), ...rest } = input;
  return start({
    ...rest,
    options: { ...rest.options, senders: { default: { backend: () => inbox.send }, ...senders } },
  });
}

async function bootError(work: Promise<unknown>): Promise<Error> {
  const error: unknown = await work.then(
    () => new Error('It booted.'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(Error);
  return error as Error;
}

async function configurationError(work: Promise<unknown>): Promise<string> {
  const error = await bootError(work);
  expect(error.message).not.toBe('It booted.');
  expect(error).toBeInstanceOf(TwoFactorConfigurationError);
  return error.message;
}

function moduleOf(name: string, ...providers: Provider[]): DynamicModule {
  const type = { [name]: class {} }[name]!;
  Module({})(type);
  return { module: type, providers, exports: providers };
}

/** A dependency of the application's. */
@Injectable()
class Gateway {
  readonly delivered: Delivery[] = [];
}

@SenderBackend('sms', { verboseName: 'Text message' })
class SmsBackend implements SenderBackend<{ from: string }> {
  constructor(readonly gateway: Gateway) {}

  send(delivery: Delivery<{ from: string }>): void {
    this.gateway.delivered.push(delivery);
  }
}

@SenderBackend('pigeon')
class PigeonBackend implements SenderBackend {
  readonly delivered: Delivery[] = [];

  send(delivery: Delivery): void {
    this.delivered.push(delivery);
  }
}

/** Not decorated, without dependencies. */
class PlainBackend implements SenderBackend, OnModuleInit, OnApplicationShutdown {
  readonly delivered: Delivery[] = [];
  readonly hooks: string[] = [];

  onModuleInit(): void {
    this.hooks.push('init');
  }

  onApplicationShutdown(): void {
    this.hooks.push('shutdown');
  }

  send(delivery: Delivery): void {
    this.delivered.push(delivery);
  }
}

const smsModule = moduleOf('SmsModule', SmsBackend, Gateway);

function backendsOf({ app }: TestApp): SenderBackends {
  return app.get<SenderBackends>(SENDER_BACKENDS);
}

function verboseNames(app: TestApp): Record<string, string> {
  return Object.fromEntries(
    [...backendsOf(app)].map(([name, sender]) => [name, sender.verboseName]),
  );
}

async function sendBy(app: TestApp, name: string | null): Promise<void> {
  await app.sender.send(name, TOKEN, await app.confirmer.makeConfirmation(), { locale: 'uk' });
}

describe('a sender’s backend', () => {
  it.each<[string, SenderDefinition['backend']]>([
    ['the name of a decorated class', 'sms'],
    ['a class', SmsBackend],
  ])('may be %s, and gets the whole delivery', async (_, backend) => {
    const options = { from: 'ACME' };
    const app = await startWith(
      { phone: { backend, options, verboseName: 'Phone' } },
      { imports: [smsModule] },
    );
    const made = await app.confirmer.makeConfirmation({ purpose: 'login', subject: 'user-1' });
    const state = await app.sender.send('phone', TOKEN, made, { locale: 'uk' });

    const { delivered } = app.app.get(Gateway, { strict: false });
    expect(delivered).toHaveLength(1);
    const [delivery] = delivered;
    expect(Object.keys(delivery ?? {}).toSorted()).toEqual(
      [
        'token',
        'code',
        'state',
        'name',
        'options',
        'verboseName',
        'expiresInSeconds',
        'context',
        'signal',
      ].toSorted(),
    );
    expect(delivery).toMatchObject({
      token: TOKEN,
      code: state.code,
      name: 'phone',
      verboseName: 'Phone',
      context: { locale: 'uk' },
    });
    expect(delivery?.options).toBe(options);
    expect(delivery?.state).toBe(made);
    expect(delivery?.state).toMatchObject({ purpose: 'login', subject: 'user-1', way: 'phone' });
    expect(delivery?.signal).toBeInstanceOf(AbortSignal);
    expect(delivery?.signal.aborted).toBe(false);
  });

  it('may be a factory, which is called once for each sender', async () => {
    const inputs: SenderBackendFactoryInput[] = [];
    const inbox = new TestInbox();
    const factory = async (input: SenderBackendFactoryInput): Promise<TestInbox['send']> => {
      inputs.push(input);
      return inbox.send;
    };
    const app = await startWith({
      one: { backend: factory, options: { from: 'A' }, verboseName: 'First' },
      two: { backend: factory },
    });
    expect(inputs).toEqual([
      { name: 'one', options: { from: 'A' }, verboseName: 'First' },
      { name: 'two', options: undefined, verboseName: 'two' },
    ]);
    await sendBy(app, 'one');
    await sendBy(app, 'two');
    await sendBy(app, 'one');
    expect(inputs).toHaveLength(2);
    expect(inbox.deliveries.map(({ name, options }) => [name, options])).toEqual([
      ['one', { from: 'A' }],
      ['two', undefined],
      ['one', { from: 'A' }],
    ]);
  });

  it('may be one function', async () => {
    const inbox = new TestInbox();
    const app = await startWith({
      page: { backend: functionalSenderBackend(inbox.send), options: { tone: 3 } },
    });
    await sendBy(app, 'page');
    expect(inbox.deliveries).toHaveLength(1);
    expect(inbox.deliveries[0]).toMatchObject({
      token: TOKEN,
      name: 'page',
      options: { tone: 3 },
    });
  });

  it('may be an old-style class with send on its prototype', async () => {
    const inbox = new TestInbox();
    const made: TestInbox[] = [];
    // What a class is when it is compiled to ES5.
    function OldBackend(): void {
      made.push(inbox);
    }
    OldBackend.prototype.send = inbox.send;
    const app = await startWith({
      old: { backend: OldBackend as unknown as SenderDefinition['backend'] },
    });
    await sendBy(app, 'old');
    expect(inbox.deliveries).toHaveLength(1);
    expect(made).toEqual([inbox]);
  });

  it('is one instance for all its senders, told apart by the delivery', async () => {
    const app = await startWith(
      {
        one: defineSender(SmsBackend, { options: { from: 'A' } }),
        two: defineSender(SmsBackend, { options: { from: 'B' }, verboseName: 'Second' }),
      },
      { imports: [smsModule] },
    );
    await sendBy(app, 'one');
    await sendBy(app, 'two');
    const { delivered } = app.app.get(Gateway, { strict: false });
    expect(delivered.map(({ name, verboseName, options }) => [name, verboseName, options])).toEqual(
      [
        ['one', 'Text message', { from: 'A' }],
        ['two', 'Second', { from: 'B' }],
      ],
    );
  });

  it('keeps the object of its options as it is', async () => {
    const client = { calls: 0 };
    const app = await startWith({
      sdk: {
        options: client,
        backend: functionalSenderBackend<typeof client>(({ options }) => (options.calls += 1)),
      },
    });
    await sendBy(app, 'sdk');
    await sendBy(app, 'sdk');
    expect(client.calls).toBe(2);
  });
});

describe('the default sender', () => {
  it('is meant when no name is given', async () => {
    const inbox = new TestInbox();
    const app = await startWith(
      { email: { backend: () => inbox.send } },
      { options: { defaultSender: 'email' } },
    );
    await sendBy(app, null);
    const { state } = await app.twoFactor.request({ token: TOKEN });
    expect(state.way).toBe('email');
    expect(inbox.deliveries.map(({ name }) => name)).toEqual(['email', 'email']);
  });

  it('need not exist in an application without senders', async () => {
    const app = await start({ options: { senders: {} } });
    const state = await app.confirmer.makeConfirmation();
    expect(backendsOf(app).size).toBe(0);
    await expect(app.sender.send(null, TOKEN, state)).rejects.toThrow(
      new TwoFactorInputError('There is no sender "default": name one of (none found).'),
    );
    expect(state.token).toBeNull();
  });

  it('is refused at boot when there is none of that name', async () => {
    expect(
      await configurationError(
        startWith(
          { email: { backend: () => () => undefined } },
          { options: { defaultSender: 'sms' } },
        ),
      ),
    ).toBe(
      'The default sender is "sms", and there is none of that name: set defaultSender to one of default, email.',
    );
    expect(
      await configurationError(start({ options: { senders: {}, defaultSender: 'sms' } })),
    ).toBe(
      'The default sender is "sms", and there is none of that name: set defaultSender to one of (none found).',
    );
    expect(
      await configurationError(
        start({ options: { senders: { email: { backend: () => () => undefined } } } }),
      ),
    ).toBe(
      'The default sender is "default", and there is none of that name: set defaultSender to one of email.',
    );
  });
});

describe('backends are found', () => {
  it('as a class, a factory and a value, in any module', async () => {
    @SenderBackend('by-factory')
    class ByFactory extends PlainBackend {}
    @SenderBackend('by-value')
    class ByValue extends PlainBackend {}
    const value = new ByValue();
    const app = await startWith(
      {
        one: { backend: 'pigeon' },
        two: { backend: 'by-factory' },
        three: { backend: 'by-value' },
      },
      {
        imports: [
          moduleOf('PigeonModule', PigeonBackend),
          moduleOf('FactoryModule', {
            provide: ByFactory,
            useFactory: async () => new ByFactory(),
          }),
        ],
        providers: [{ provide: 'some token', useValue: value }],
      },
    );
    for (const name of ['one', 'two', 'three']) await sendBy(app, name);
    expect(app.app.get(PigeonBackend, { strict: false }).delivered).toHaveLength(1);
    expect(app.app.get(ByFactory, { strict: false }).delivered).toHaveLength(1);
    expect(value.delivered).toHaveLength(1);
  });

  it.each<[string, Provider]>([
    ['a class under another token', { provide: 'other', useClass: PlainBackend }],
    ['a value under another token', { provide: 'other', useValue: new PlainBackend() }],
    ['a value under its own token', { provide: PlainBackend, useValue: new PlainBackend() }],
    [
      'a factory under its own token',
      { provide: PlainBackend, useFactory: () => new PlainBackend() },
    ],
  ])('by their class when they are %s, and none is made beside it', async (_, provider) => {
    const app = await startWith(
      { plain: { backend: PlainBackend } },
      { imports: [moduleOf('PlainModule', provider)] },
    );
    await sendBy(app, 'plain');
    const token = (provider as { provide: string | typeof PlainBackend }).provide;
    const backend = app.app.get<PlainBackend>(token, { strict: false });
    expect(backend.delivered).toHaveLength(1);
  });

  it('once, when an alias repeats them', async () => {
    const app = await startWith(
      { plain: { backend: PlainBackend } },
      {
        imports: [
          moduleOf(
            'PigeonModule',
            PigeonBackend,
            PlainBackend,
            { provide: 'alias of a decorated class', useExisting: PigeonBackend },
            { provide: 'alias of a plain class', useExisting: PlainBackend },
          ),
        ],
      },
    );
    await sendBy(app, 'pigeon');
    await sendBy(app, 'plain');
    expect(app.app.get(PigeonBackend, { strict: false }).delivered).toHaveLength(1);
    expect(app.app.get(PlainBackend, { strict: false }).delivered).toHaveLength(1);
  });

  it('under their own name when they are decorated and no sender names them', async () => {
    const app = await startWith(
      {},
      { imports: [smsModule, moduleOf('PigeonModule', PigeonBackend)] },
    );
    expect(verboseNames(app)).toEqual({
      default: 'default',
      sms: 'Text message',
      pigeon: 'pigeon',
    });
    expect(backendsOf(app).get('sms')?.options).toBeUndefined();
    await sendBy(app, 'sms');
    expect(app.app.get(Gateway, { strict: false }).delivered).toHaveLength(1);
  });

  it('only under the given name when a sender names them', async () => {
    const app = await startWith({ phone: { backend: 'sms' } }, { imports: [smsModule] });
    expect([...backendsOf(app).keys()]).toEqual(['default', 'phone']);
  });

  it('by the decorator of their very class: a subclass needs its own', async () => {
    class SilentPigeon extends PigeonBackend {}
    const app = await startWith({}, { imports: [moduleOf('SilentModule', SilentPigeon)] });
    expect([...backendsOf(app).keys()]).toEqual(['default']);
  });

  it('as doubles, when a test overrides the provider of a decorated class', async () => {
    const double = {
      delivered: [] as Delivery[],
      send: (each: Delivery) => double.delivered.push(each),
    };
    const app = await startWith(
      { phone: { backend: 'sms' }, again: { backend: SmsBackend } },
      {
        imports: [smsModule],
        override: (builder) => builder.overrideProvider(SmsBackend).useValue(double),
      },
    );
    await sendBy(app, 'phone');
    await sendBy(app, 'again');
    expect(double.delivered.map(({ name }) => name)).toEqual(['phone', 'again']);
  });
});

describe('the verbose name of a sender', () => {
  it('is the entry’s, else the decorator’s, else the sender’s name', async () => {
    const app = await startWith(
      {
        one: { backend: SmsBackend, verboseName: 'Of the entry' },
        two: { backend: SmsBackend },
        three: { backend: PlainBackend },
        four: { backend: PlainBackend, verboseName: 'Plain' },
        five: { backend: SmsBackend, verboseName: undefined },
      },
      { imports: [smsModule] },
    );
    expect(verboseNames(app)).toEqual({
      default: 'default',
      one: 'Of the entry',
      two: 'Text message',
      three: 'three',
      four: 'Plain',
      five: 'Text message',
    });
  });
});

describe('a class that no module provides', () => {
  it('is made by the module, once, with its lifecycle hooks', async () => {
    const made: PlainBackend[] = [];
    class Counted extends PlainBackend {
      constructor() {
        super();
        made.push(this);
      }
    }
    const app = await startApp({
      options: { senders: { default: { backend: Counted }, again: { backend: Counted } } },
    });
    await sendBy(app, null);
    await sendBy(app, 'again');
    expect(made).toHaveLength(1);
    expect(made[0]?.hooks).toEqual(['init']);
    expect(made[0]?.delivered.map(({ name }) => name)).toEqual(['default', 'again']);
    await app.close();
    expect(made[0]?.hooks).toEqual(['init', 'shutdown']);
  });

  it('is injected with what the module sees: global providers, however late they are ready', async () => {
    const gateway = new Gateway();
    const global: DynamicModule = {
      ...moduleOf('GatewayModule', {
        provide: Gateway,
        useFactory: () => new Promise<Gateway>((resolve) => setImmediate(() => resolve(gateway))),
      }),
      global: true,
    };
    const app = await startWith({ sms: { backend: SmsBackend } }, { imports: [global] });
    await sendBy(app, 'sms');
    expect(gateway.delivered).toHaveLength(1);
  });

  it('is refused when a dependency is missing, with what to do', async () => {
    expect(await configurationError(startWith({ sms: { backend: SmsBackend } }))).toBe(
      'The sender backend SmsBackend needs Gateway, which TwoFactorModule does not see. Provide SmsBackend in the ' +
        'module that provides Gateway.',
    );
  });

  it('is refused when it misses something under a token that is no class', async () => {
    class Named extends PlainBackend {
      constructor(@Inject('SMS_KEY') readonly key: string) {
        super();
      }
    }
    const symbol = Symbol('sms-client');
    class Symbolic extends PlainBackend {
      constructor(@Inject(symbol) readonly client: unknown) {
        super();
      }
    }
    expect(await configurationError(startWith({ sms: { backend: Named } }))).toBe(
      'The sender backend Named needs SMS_KEY, which TwoFactorModule does not see. Provide Named in the module that ' +
        'provides SMS_KEY.',
    );
    expect(await configurationError(startWith({ sms: { backend: Symbolic } }))).toBe(
      'The sender backend Symbolic needs Symbol(sms-client), which TwoFactorModule does not see. Provide Symbolic in ' +
        'the module that provides Symbol(sms-client).',
    );
  });

  it('keeps the error of its own constructor', async () => {
    class Broken extends PlainBackend {
      constructor() {
        super();
        throw new Error('no key for the gateway');
      }
    }
    const error = await bootError(startWith({ sms: { backend: Broken } }));
    expect(error.message).toBe('no key for the gateway');
  });

  it('may say that it is a singleton', async () => {
    @Injectable({ scope: Scope.DEFAULT })
    class Explicit extends PlainBackend {}
    @Injectable({ durable: true })
    class Durable extends PlainBackend {}
    const app = await startWith({ one: { backend: Explicit }, two: { backend: Durable } });
    expect([...backendsOf(app).keys()]).toEqual(['default', 'one', 'two']);
  });
});

function notASingleton(name: string): string {
  return (
    `The sender backend ${name} is request-scoped or transient, or depends on something that is: make it a singleton, since ` +
    'what differs from message to message comes with each delivery.'
  );
}

describe('a backend that cannot serve all messages', () => {
  it.each([
    ['request-scoped', Scope.REQUEST],
    ['transient', Scope.TRANSIENT],
  ])('is refused at boot for being %s', async (_, scope) => {
    @SenderBackend('scoped')
    @Injectable({ scope })
    class Other extends PlainBackend {}
    @Injectable({ scope })
    class Scoped extends PlainBackend {}
    Reflect.defineMetadata('scope:options', { scope }, Other);

    expect(await configurationError(startWith({ one: { backend: Scoped } }))).toBe(
      notASingleton('Scoped'),
    );
    expect(
      await configurationError(
        startWith({ one: { backend: Scoped } }, { imports: [moduleOf('ScopedModule', Scoped)] }),
      ),
    ).toBe(notASingleton('Scoped'));
    expect(
      await configurationError(startWith({}, { imports: [moduleOf('OtherModule', Other)] })),
    ).toBe(notASingleton('Other'));
  });

  it('is refused at boot for depending on something that is', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class PerRequest {}
    @Injectable()
    class Dependent extends PlainBackend {
      constructor(readonly perRequest: PerRequest) {
        super();
      }
    }
    const provided = moduleOf('DependentModule', Dependent, PerRequest);
    expect(
      await configurationError(startWith({ one: { backend: Dependent } }, { imports: [provided] })),
    ).toBe(notASingleton('Dependent'));
    const global = { ...moduleOf('PerRequestModule', PerRequest), global: true };
    expect(
      await configurationError(startWith({ one: { backend: Dependent } }, { imports: [global] })),
    ).toBe(notASingleton('Dependent'));
  });
});

describe('a wrong set of senders is refused at boot:', () => {
  it('the name of a backend that there is not', async () => {
    expect(
      await configurationError(startWith({ phone: { backend: 'sms' } }, { imports: [] })),
    ).toBe(
      'Sender phone names the backend "sms", which no module provides: provide a class decorated with ' +
        '@SenderBackend("sms") in a module (found: none).',
    );
    expect(
      await configurationError(
        startWith(
          { phone: { backend: 'email' } },
          { imports: [smsModule, moduleOf('PigeonModule', PigeonBackend)] },
        ),
      ),
    ).toBe(
      'Sender phone names the backend "email", which no module provides: provide a class decorated with ' +
        '@SenderBackend("email") in a module (found: sms, pigeon).',
    );
  });

  it('two classes of one name', async () => {
    @SenderBackend('sms')
    class OtherSms extends PlainBackend {}
    const imports = [smsModule, moduleOf('OtherModule', OtherSms)];
    const message =
      'The sender backends SmsBackend (in SmsModule) and OtherSms (in OtherModule) both answer to "sms": provide the ' +
      'class once, or rename one.';
    expect(await configurationError(startWith({}, { imports }))).toBe(message);
    expect(await configurationError(startWith({ phone: { backend: 'sms' } }, { imports }))).toBe(
      message,
    );
    expect(await configurationError(startWith({ phone: { backend: OtherSms } }, { imports }))).toBe(
      message,
    );
  });

  it('one class in two modules', async () => {
    const imports = [moduleOf('OneModule', PlainBackend), moduleOf('TwoModule', PlainBackend)];
    expect(
      await configurationError(startWith({ plain: { backend: PlainBackend } }, { imports })),
    ).toBe(
      'The sender backends PlainBackend (in OneModule) and PlainBackend (in TwoModule) both answer to PlainBackend: ' +
        'provide the class once, or rename one.',
    );
    const pigeons = [moduleOf('OneModule', PigeonBackend), moduleOf('TwoModule', PigeonBackend)];
    expect(await configurationError(startWith({}, { imports: pigeons }))).toBe(
      'The sender backends PigeonBackend (in OneModule) and PigeonBackend (in TwoModule) both answer to "pigeon": ' +
        'provide the class once, or rename one.',
    );
  });

  it('a class that takes the name of a sender with another backend', async () => {
    expect(
      await configurationError(
        startWith({ sms: { backend: () => () => undefined } }, { imports: [smsModule] }),
      ),
    ).toBe(
      'Sender sms of the options and the class SmsBackend are both named "sms": rename one, or write backend: \'sms\'.',
    );
  });

  it('a decorated name that no client could give', async () => {
    @SenderBackend('Text Message')
    class Shouting extends PlainBackend {}
    expect(
      await configurationError(startWith({}, { imports: [moduleOf('ShoutingModule', Shouting)] })),
    ).toBe(
      'Shouting is decorated with the name "Text Message", which is not 1 to 64 of a-z, 0-9 and "-", not beginning ' +
        'with "-".',
    );
  });

  it('a class without send', async () => {
    @SenderBackend('mute')
    class Mute {
      readonly post = (): void => undefined;
    }
    const [before, after] = [
      'The sender backend Mute in',
      'has no method send. Let it implement SenderBackend.',
    ];
    expect(
      await configurationError(startWith({}, { imports: [moduleOf('MuteModule', Mute)] })),
    ).toBe(`${before} MuteModule ${after}`);
    expect(
      await configurationError(
        startWith({ mute: { backend: Mute as unknown as SenderDefinition['backend'] } }),
      ),
    ).toBe(`${before} TwoFactorModule ${after}`);
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['an object with send', { send: () => undefined }],
    ['a name', 'sms'],
  ])('a factory that returns %s', async (_, returned) => {
    const backend = (async () => returned) as unknown as SenderDefinition['backend'];
    expect(await configurationError(startWith({ bad: { backend } }))).toBe(
      'The backend of sender bad is a factory that did not return a function. Return (delivery) => ... from it.',
    );
  });

  it('a factory that throws, with its own error', async () => {
    const reason = new Error('no key for the gateway');
    const backend = (): never => {
      throw reason;
    };
    expect(await bootError(startWith({ bad: { backend } }))).toBe(reason);
  });

  it.each<[string, unknown]>([
    ['number', 5],
    ['object', { send: () => undefined }],
    ['boolean', true],
  ])('a backend of type %s', async (type, backend) => {
    expect(
      await configurationError(
        startWith({ bad: { backend: backend as SenderDefinition['backend'] } }),
      ),
    ).toBe(
      `The backend of sender bad is of type ${type}. Give the name of a decorated class, a class, or a factory ` +
        '({ name, options, verboseName }) => send.',
    );
  });
});

describe('SENDER_BACKENDS', () => {
  it('is the read-only map of all senders', async () => {
    @Injectable()
    class Reader implements OnApplicationBootstrap {
      names: string[] = [];

      constructor(@InjectSenderBackends() readonly backends: SenderBackends) {}

      onApplicationBootstrap(): void {
        this.names = [...this.backends.keys()];
      }
    }
    const app = await startWith(
      { pager: { backend: () => () => undefined, options: 7, verboseName: 'Pager' } },
      { providers: [Reader] },
    );
    const { backends, names } = app.app.get(Reader);
    expect(names).toEqual(['default', 'pager']);
    expect(backends.size).toBe(2);
    expect(backends.has('pager')).toBe(true);
    expect(backends.has('sms')).toBe(false);
    expect(backends.get('pager')).toMatchObject({
      name: 'pager',
      options: 7,
      verboseName: 'Pager',
    });
    expect(backends.get('constructor')).toBeUndefined();
    expect([...backends.values()].map(({ name }) => name)).toEqual(names);
    expect([...backends.entries()]).toEqual([...backends]);
    const visited: unknown[] = [];
    backends.forEach(function (this: unknown, sender, name, map) {
      visited.push([this, sender.name, name, map === backends]);
    }, 'this');
    expect(visited).toEqual(names.map((name) => ['this', name, name, true]));
    expect(Object.isFrozen(backends.get('pager'))).toBe(true);
    expect(backends).not.toHaveProperty('set');
    expect(backends).not.toHaveProperty('delete');
  });

  it('says when it is read too early', async () => {
    @Injectable()
    class Hasty {
      constructor(@InjectSenderBackends() backends: SenderBackends) {
        backends.get('default');
      }
    }
    expect(await configurationError(startWith({}, { providers: [Hasty] }))).toBe(
      "The sender backends are found in TwoFactorModule's onModuleInit, and were read before it. Read them in " +
        'onApplicationBootstrap or later.',
    );
  });

  it('may be replaced by the extra senderBackends', async () => {
    const inbox = new TestInbox();
    const sender: ResolvedSender = {
      name: 'mine',
      verboseName: 'Mine',
      options: undefined,
      send: inbox.send,
    };
    const app = await startWith(
      { ignored: { backend: () => () => undefined } },
      {
        imports: [smsModule],
        options: {
          defaultSender: 'mine',
          senderBackends: { provide: SENDER_BACKENDS, useValue: new Map([['mine', sender]]) },
        },
      },
    );
    expect([...backendsOf(app).keys()]).toEqual(['mine']);
    await sendBy(app, null);
    expect(inbox.deliveries).toHaveLength(1);
    await expect(sendBy(app, 'ignored')).rejects.toThrow(
      'There is no sender "ignored": name one of ',
    );
  });
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

  it('makes a class that nobody provides, with its lifecycle hooks, like forRoot', async () => {
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

function instance(
  inbox: TestInbox,
  isGlobal: boolean,
  backend: SenderDefinition['backend'] = () => inbox.send,
): DynamicModule {
  return TwoFactorModule.forRoot({ ...optionsWith({ default: { backend } }), isGlobal });
}

describe('two instances of the module', () => {
  it('are refused when both are global: one would hide the other', async () => {
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

  it('make a class that nobody provides once for each of them', async () => {
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
