// Numbers that a sender does not send to are refused before anything is stored, counted or sent, in every mode.
import { afterEach, describe, expect, it } from 'vitest';

import { phoneDestinations } from '../../lib/adapters/phone/index.js';
import { failoverBackend } from '../../lib/backends/failover/index.js';
import {
  ConfirmationRecord,
  LimitRecord,
  TwoFactorConfigurationError,
  TwoFactorRecipientError,
  type DestinationRules,
  type LimitStore,
  type TwoFactorModuleOptions,
  TWO_FACTOR_LIMIT_STORE,
} from '../../lib/index.js';
import { drawCanaryCode } from '../support/canaries.js';
import { startHttpApp, type HttpTestApp } from '../support/http.js';
import { startApp, TestInbox, type TestApp } from '../support/test-app.js';

const ALLOWED = '+380501234567';
/** A premium rate number, one of another country, one that no operator has, and a national one. */
const REFUSED = ['+380900123456', '+48600123456', '+979123456789', '0501234567'];
const destinations = phoneDestinations({ countries: ['UA'] });

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

const optionsWith = (inbox: TestInbox, more: TwoFactorModuleOptions = {}) => ({
  senders: {
    sms: { backend: () => inbox.send, destinations },
    other: { backend: () => inbox.send },
  },
  defaultSender: 'sms',
  ...more,
});

async function start(more: TwoFactorModuleOptions = {}): Promise<TestApp> {
  const inbox = new TestInbox();
  const app = await startApp({ options: optionsWith(inbox, more) });
  ends.push(() => app.close());
  return Object.assign(app, { inbox });
}

const rowsOf = async ({ dataSource }: TestApp): Promise<number> =>
  (await dataSource.getRepository(ConfirmationRecord).count()) +
  (await dataSource.getRepository(LimitRecord).count());

describe('The destinations of a sender', () => {
  it.each(['inline', 'queued'] as const)(
    'refuse a request before a statement is sent, when messages are %s',
    async (delivery) => {
      const app = await start({ delivery, worker: false });
      for (const token of REFUSED) {
        const statements = await app.log.during(async () => {
          const request = app.twoFactor.request({ token });
          await expect(request).rejects.toBeInstanceOf(TwoFactorRecipientError);
          const error: unknown = await request.catch((reason: unknown) => reason);
          expect(String(error)).not.toContain(token);
        });
        expect(statements).toEqual([]);
      }
      expect(await rowsOf(app)).toBe(0);

      await app.twoFactor.request({ token: ALLOWED });
      expect(await rowsOf(app)).toBeGreaterThan(1);
    },
  );

  it('refuse a request in a transaction of the application', async () => {
    const app = await start({ delivery: 'queued', worker: false });
    await app.dataSource.transaction(async (manager) => {
      const request = app.twoFactor.request({ token: REFUSED[0]!, manager });
      await expect(request).rejects.toBeInstanceOf(TwoFactorRecipientError);
    });
    expect(await rowsOf(app)).toBe(0);
  });

  it('concern no sender without them', async () => {
    const app = await start();
    await app.twoFactor.request({ token: REFUSED[0]!, way: 'other' });
    expect(app.inbox.deliveries).toHaveLength(1);
  });

  it('refuse a message that a service sends, and count nothing for it', async () => {
    const app = await start();
    const state = await app.confirmer.makeConfirmation();
    const before = await rowsOf(app);
    for (const token of REFUSED) {
      const sending = app.sender.send('sms', token, state);
      await expect(sending).rejects.toBeInstanceOf(TwoFactorRecipientError);
    }
    expect(await rowsOf(app)).toBe(before);
    expect(app.inbox.deliveries).toEqual([]);

    // The confirmation is not bound to what was refused.
    await app.sender.send('sms', ALLOWED, state);
    expect(app.inbox.deliveries).toHaveLength(1);
  });

  it('refuse another message to a number that they have left out since', async () => {
    const inbox = new TestInbox();
    let isNarrowed = false;
    const rules: DestinationRules = {
      destinationOf: () =>
        isNarrowed
          ? { refusal: 'it is left out' }
          : { country: 'UA', callingCode: '380', nationalNumber: '501234567' },
    };
    const app = await startApp({
      options: { senders: { default: { backend: () => inbox.send, destinations: rules } } },
    });
    ends.push(() => app.close());
    const { id } = await app.twoFactor.request({ token: ALLOWED });
    app.clock.advance(60);
    isNarrowed = true;

    await expect(app.twoFactor.resend(id)).rejects.toBeInstanceOf(TwoFactorRecipientError);
    isNarrowed = false;
    await app.twoFactor.resend(id);
    expect(inbox.deliveries).toHaveLength(2);
  });

  it('tell no part of a token when the rules of an application throw', async () => {
    const rules: DestinationRules = {
      destinationOf: (token) => {
        throw new Error(`cannot read ${token}`);
      },
    };
    const app = await startApp({
      options: { senders: { default: { backend: () => () => undefined, destinations: rules } } },
    });
    ends.push(() => app.close());
    const error: unknown = await app.twoFactor
      .request({ token: ALLOWED })
      .catch((reason) => reason);
    expect(error).toBeInstanceOf(TwoFactorConfigurationError);
    expect(String(error)).not.toContain(ALLOWED);
  });

  it('answer every client with one problem, whatever is wrong with the number', async () => {
    const inbox = new TestInbox();
    const app: HttpTestApp = await startHttpApp({
      options: { ...optionsWith(inbox), controller: true },
    });
    ends.push(() => app.close());

    const bodies = new Set<string>();
    for (const token of REFUSED) {
      const { status, body } = await app.post('/2factor/request-confirmation', { token });
      expect(status).toBe(422);
      const { instance, ...problem } = body as { instance: string };
      expect(instance).toMatch(/^urn:uuid:/);
      bodies.add(JSON.stringify(problem));
    }
    expect([...bodies]).toHaveLength(1);
    expect(JSON.parse([...bodies][0]!)).toMatchObject({ error: 'recipient-not-allowed' });
    expect(await app.post('/2factor/request-confirmation', { token: ALLOWED })).toMatchObject({
      status: 200,
    });
  });

  it('do not concern a test recipient, to whom nothing is sent', async () => {
    const inbox = new TestInbox();
    const app = await startApp({
      options: optionsWith(inbox, {
        purposes: { login: { open: true } },
        testRecipients: [
          {
            token: REFUSED[0]!,
            code: drawCanaryCode(),
            purposes: ['login'],
            validUntil: new Date(Date.now() + 86_400_000),
          },
        ],
      }),
    });
    ends.push(() => app.close());
    const { id } = await app.twoFactor.request({ token: REFUSED[0]!, purpose: 'login' });
    app.clock.advance(60);
    await app.twoFactor.resend(id);
    expect(inbox.deliveries).toEqual([]);
  });
});

describe('A boot', () => {
  const boot = async (options: TwoFactorModuleOptions): Promise<unknown> => {
    try {
      const app = await startApp({ options });
      await app.close();
    } catch (error) {
      return error;
    }
    return 'booted';
  };
  /** The sentence of the error that stops it. */
  const refused = async (options: TwoFactorModuleOptions): Promise<string> => {
    const error = await boot(options);
    return error instanceof TwoFactorConfigurationError ? error.message : 'no refusal';
  };
  const inbox = new TestInbox();

  it('refuses destinations that are no rules', async () => {
    const rules = { countries: ['UA'] } as unknown as DestinationRules;
    const senders = { default: { backend: () => inbox.send, destinations: rules } };
    expect(await refused({ senders })).toMatch(/The destinations of sender default are no rules/);
  });

  it('refuses destinations of a sender inside of a failover, which no request would ask', async () => {
    const inner = { backend: () => inbox.send };
    const senders = {
      default: {
        backend: failoverBackend,
        options: { senders: { one: { ...inner, destinations }, two: inner } },
      },
    };
    expect(await refused({ senders })).toMatch(/Give them to the failover itself/);
  });

  it('refuses to watch prefixes where no sender has destinations', async () => {
    expect(await refused({ limits: { sendsPerPrefix: {} } })).toMatch(/no sender has destinations/);
    expect(await refused({ limits: { sendsPerPrefix: { mode: 'deny' } } })).toMatch(
      /phoneDestinations\(\{ countries \}\)/,
    );
    expect(await boot({ limits: { sendsPerPrefix: false } })).toBe('booted');
  });

  it('refuses a store of the limits that cannot count confirmed codes', async () => {
    const store: LimitStore = {
      consume: async () => ({ exhausted: [], consumed: [] }),
      refund: async () => undefined,
      release: async () => undefined,
      read: async () => [],
    };
    const options = {
      ...optionsWith(inbox),
      limitStore: { provide: TWO_FACTOR_LIMIT_STORE, useValue: store },
    };
    expect(await refused(options)).toMatch(
      /implement LimitStore.add, or set limits: \{ sendsPerPrefix: false \}/,
    );
    expect(await boot({ ...options, limits: { sendsPerPrefix: false } })).toBe('booted');
  });
});
