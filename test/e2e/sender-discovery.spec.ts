import type { Provider } from '@nestjs/common';
import { afterEach, describe, expect, it } from 'vitest';

import { SenderBackend, type Delivery } from '../../lib/index.js';
import {
  open,
  startWith,
  moduleOf,
  Gateway,
  SmsBackend,
  PigeonBackend,
  PlainBackend,
  smsModule,
  backendsOf,
  sendBy,
  verboseNames,
} from './sender-fixtures.js';

afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
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
