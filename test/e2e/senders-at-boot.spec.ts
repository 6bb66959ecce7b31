import { Inject, Injectable, Scope, type DynamicModule } from '@nestjs/common';
import { afterEach, describe, expect, it } from 'vitest';

import { SenderBackend, type SenderDefinition } from '../../lib/index.js';
import { startApp } from '../support/test-app.js';
import {
  open,
  startWith,
  bootError,
  configurationError,
  moduleOf,
  Gateway,
  SmsBackend,
  PigeonBackend,
  PlainBackend,
  smsModule,
  backendsOf,
  sendBy,
} from './sender-fixtures.js';

afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
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

  it('is accepted when its decorator declares a singleton', async () => {
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
      await configurationError(startWith({ phone: { backend: 'telex' } }, { imports: [] })),
    ).toBe(
      'Sender phone names the backend "telex", which no module provides: provide a class decorated with ' +
        '@SenderBackend("telex") in a module (found: none).',
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
