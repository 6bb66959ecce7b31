import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { afterEach, describe, expect, it } from 'vitest';

import {
  defineSender,
  functionalSenderBackend,
  InjectSenderBackends,
  SENDER_BACKENDS,
  TwoFactorInputError,
  type ResolvedSender,
  type SenderBackendFactoryInput,
  type SenderBackends,
  type SenderDefinition,
} from '../../lib/index.js';
import { TestInbox } from '../support/test-app.js';
import {
  TOKEN,
  open,
  start,
  startWith,
  configurationError,
  Gateway,
  SmsBackend,
  PlainBackend,
  smsModule,
  backendsOf,
  sendBy,
  verboseNames,
} from './sender-fixtures.js';

afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

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
        'render',
        'idempotencyKey',
        'report',
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
    const shared = {
      codeGenerator: expect.any(Function),
      resolve: expect.any(Function),
      sendTimeoutMs: 10_000,
    };
    expect(inputs).toEqual([
      { name: 'one', options: { from: 'A' }, verboseName: 'First', ...shared },
      { name: 'two', options: undefined, verboseName: 'two', ...shared },
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
  it('is used when a call names no sender', async () => {
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
          { options: { defaultSender: 'telex' } },
        ),
      ),
    ).toBe(
      'The default sender is "telex", and there is none of that name: set defaultSender to one of default, email.',
    );
    expect(
      await configurationError(start({ options: { senders: {}, defaultSender: 'telex' } })),
    ).toBe(
      'The default sender is "telex", and there is none of that name: set defaultSender to one of (none found).',
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

  it('refuses the boot with a remedy when it is read before onModuleInit has run', async () => {
    @Injectable()
    class Hasty {
      constructor(@InjectSenderBackends() backends: SenderBackends) {
        backends.get('default');
      }
    }
    expect(await configurationError(startWith({}, { providers: [Hasty] }))).toBe(
      "The sender backends are found in TwoFactorModule's onModuleInit, and were read before it. Read them in " +
        'onApplicationBootstrap or later. If LazyModuleLoader loads TwoFactorModule, import it in a module of the ' +
        'application instead: Nest runs no hooks and no controllers of lazy modules.',
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
