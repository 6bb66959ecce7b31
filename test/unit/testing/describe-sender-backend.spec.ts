// The contract holds for our own backends; and each of its tests can fail, on a backend that breaks just that.
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';

import { Logger } from '@nestjs/common';
import { simpleParser } from 'mailparser';
import { SMTPServer } from 'smtp-server';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { emailBackend, type EmailOptions } from '../../../lib/backends/email/index.js';
import {
  LoggerBackend,
  TwoFactorRecipientError,
  type Delivery,
  type SendFunction,
} from '../../../lib/index.js';
import { resolveOptions } from '../../../lib/options/index.js';
import {
  describeSenderBackend,
  type ProviderMessage,
  type SenderBackendContract,
  type SenderBackendFixture,
} from '../../../lib/testing/index.js';

describe('the bundled backends', () => {
  describeSenderBackend(
    'LoggerBackend',
    {
      open: () => {
        const lines: ProviderMessage[] = [];
        const spy = vi.spyOn(Logger.prototype, 'log').mockImplementation((line: unknown) => {
          const [, token = '', text = ''] = /^sample to (.*): (.*)$/.exec(String(line)) ?? [];
          lines.push({ token, text });
        });
        const backend = new LoggerBackend(resolveOptions({}, { NODE_ENV: 'test' }));
        return {
          send: (delivery) => backend.send(delivery),
          delivered: () => lines,
          close: () => spy.mockRestore(),
        };
      },
      token: (n) => `ann${n}@example.com`,
      deliversToLog: true,
    },
    { describe, it },
  );

  describeSenderBackend(
    'emailBackend',
    {
      open: openMail,
      token: (n) => `ann${n}@example.com`,
      options: { transport: 'smtp://taken.from.the.fixture', from: 'ACME <no-reply@acme.example>' },
      unreachable: ['nobody@example.com', 'ann@example.com, eve@example.com', 'no address'],
      failNext: (fixture) => fixture.say(451),
      hang: (fixture) => fixture.say('nothing'),
      settleWithinMs: 20_000,
    },
    { describe, it },
  );
});

interface MailFixture extends SenderBackendFixture<EmailOptions> {
  /** How the server answers the next recipient. */
  say(answer: number | 'nothing'): void;
}

async function openMail(): Promise<MailFixture> {
  const mails: ProviderMessage[] = [];
  let answer: number | 'nothing' | null = null;
  const sockets = new Set<Socket>();
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    onRcptTo({ address }, _, done) {
      const now = answer;
      answer = null;
      if (now === 'nothing') return;
      const code = address.startsWith('nobody@') ? 550 : now;
      done(code === null ? null : Object.assign(new Error('Refused.'), { responseCode: code }));
    },
    onData(stream, session, done) {
      simpleParser(stream, (error: Error | null, mail) => {
        for (const { address } of session.envelope.rcptTo) {
          mails.push({ token: address, text: mail.text ?? '' });
        }
        done(error);
      });
    },
  });
  const listening = server.listen(0, '127.0.0.1');
  listening.on('connection', (socket: Socket) => sockets.add(socket));
  await once(listening, 'listening');
  const transport = `smtp://127.0.0.1:${(listening.address() as AddressInfo).port}`;
  const from = 'ACME <no-reply@acme.example>';
  const send: SendFunction<EmailOptions> = await emailBackend({
    name: 'email',
    verboseName: 'E-mail',
    options: { transport, from },
  });
  return {
    send,
    delivered: () => mails,
    say: (next) => {
      answer = next;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** A provider in memory. */
class Provider {
  readonly accepted: ProviderMessage[] = [];
  mood: 'well' | 'failing' | 'silent' = 'well';

  async accept(token: string, text: string, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const { mood } = this;
    this.mood = 'well';
    if (mood === 'failing') throw new Error(`The provider is down; was to tell ${token}: ${text}`);
    if (mood === 'silent') {
      await new Promise((_, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason as Error));
      });
    }
    this.accepted.push({ token, text });
  }
}

interface Fixture extends SenderBackendFixture<{ from: string }> {
  readonly provider: Provider;
}

type Backend = (provider: Provider) => (delivery: Delivery<{ from: string }>) => Promise<void>;

const textOf = ({ code, options }: Delivery<{ from: string }>): string =>
  `${code.slice(0, 3)} ${code.slice(3)} is your ${options.from} code.`;

function assertReachable(token: string): void {
  if (!token.startsWith('+')) throw new TwoFactorRecipientError('Not a phone number.');
}

const good: Backend = (provider) => async (delivery) => {
  assertReachable(delivery.token);
  await provider.accept(delivery.token, textOf(delivery), delivery.signal);
};

function contractOf(backend: Backend): SenderBackendContract<{ from: string }, Fixture> {
  return {
    open: () => {
      const provider = new Provider();
      return { provider, send: backend(provider), delivered: () => provider.accepted };
    },
    options: { from: 'ACME' },
    token: (n) => `+1555555010${n}`,
    unreachable: ['not a number'],
    failNext: ({ provider }) => {
      provider.mood = 'failing';
    },
    hang: ({ provider }) => {
      provider.mood = 'silent';
    },
    // None of these backends does more than the timers of one turn. Only one that does not end is waited for.
    settleWithinMs: 100,
  };
}

/** What each test of the suite says of a backend: its name, and the error it ended with. */
async function failuresOf(backend: Backend): Promise<Map<string, string>> {
  const tests = new Map<string, () => Promise<void>>();
  describeSenderBackend('any', contractOf(backend), {
    describe: (_, body) => body(),
    it: (name, body) => void tests.set(name, body),
  });
  const failures = new Map<string, string>();
  for (const [name, body] of tests) {
    await body().catch((error: Error) => failures.set(name, error.message));
  }
  expect(tests.size).toBe(8);
  return failures;
}

const ONCE = 'delivers one message with the code in it, and ends when the provider has it';
const NEXT = 'keeps nothing of one delivery for the next';
const APART = 'keeps deliveries apart that go out at the same time';
const ABORTED = 'delivers nothing once its signal is aborted';
const GIVES_UP = 'ends by an error when its signal is aborted';
const UNREACHABLE = 'says that "not a number" can never be reached';
const PASSING = 'passes a passing failure on, and delivers the next message';
const LOG = 'writes neither code nor token to the log';

/** Backends that each break the contract in one way, and all tests that say so. */
const BROKEN: Record<string, readonly [backend: Backend, failing: readonly string[]]> = {
  'delivers without the code': [
    (provider) => async (delivery) => {
      assertReachable(delivery.token);
      await provider.accept(delivery.token, 'You have a code.', delivery.signal);
    },
    [ONCE, NEXT, APART, PASSING],
  ],
  'delivers twice': [
    (provider) => async (delivery) => {
      await good(provider)(delivery);
      await good(provider)(delivery);
    },
    [ONCE, NEXT, APART, PASSING],
  ],
  'does not wait for the provider': [
    (provider) => async (delivery) => {
      assertReachable(delivery.token);
      delivery.signal.throwIfAborted();
      setImmediate(() => {
        provider.accept(delivery.token, textOf(delivery)).catch(() => undefined);
      });
    },
    [ONCE, NEXT, APART, GIVES_UP, PASSING],
  ],
  'repeats the first message to a token': [
    (provider) => {
      const texts = new Map<string, string>();
      return async (delivery) => {
        assertReachable(delivery.token);
        const text = texts.get(delivery.token) ?? textOf(delivery);
        texts.set(delivery.token, text);
        await provider.accept(delivery.token, text, delivery.signal);
      };
    },
    [NEXT],
  ],
  'keeps the delivery in a field': [
    (provider) => {
      let current: Delivery<{ from: string }>;
      return async (delivery) => {
        assertReachable(delivery.token);
        current = delivery;
        // As one does who looks something up first.
        await Promise.resolve();
        await provider.accept(current.token, textOf(current), current.signal);
      };
    },
    [APART],
  ],
  'takes no notice of the signal': [
    (provider) => async (delivery) => {
      assertReachable(delivery.token);
      await provider.accept(delivery.token, textOf(delivery));
    },
    [ABORTED, GIVES_UP],
  ],
  'ends well when it is aborted': [
    (provider) => async (delivery) => {
      try {
        await good(provider)(delivery);
      } catch (error) {
        if (!delivery.signal.aborted) throw error;
      }
    },
    [ABORTED, GIVES_UP],
  ],
  'throws any error for a token that can never be reached': [
    (provider) => async (delivery) => {
      await good(provider)(delivery).catch((error: Error) => {
        throw new Error(error.message);
      });
    },
    [UNREACHABLE],
  ],
  'delivers to whatever it is given': [
    (provider) => (delivery) => provider.accept(delivery.token, textOf(delivery), delivery.signal),
    [UNREACHABLE],
  ],
  'throws TwoFactorRecipientError for everything': [
    (provider) => async (delivery) => {
      await good(provider)(delivery).catch(() => {
        throw new TwoFactorRecipientError('It failed.');
      });
    },
    [PASSING],
  ],
  'swallows failures': [
    (provider) => async (delivery) => {
      try {
        await good(provider)(delivery);
      } catch (error) {
        if (error instanceof TwoFactorRecipientError || delivery.signal.aborted) throw error;
      }
    },
    [PASSING],
  ],
  'logs the code when it delivers': [
    (provider) => async (delivery) => {
      new Logger('Broken').debug({ text: textOf(delivery) });
      await good(provider)(delivery);
    },
    [LOG],
  ],
  'prints the token to the console': [
    (provider) => async (delivery) => {
      await good(provider)(delivery);
      // oxlint-disable-next-line no-console
      console.info('delivered', { to: [delivery.token] });
    },
    [LOG],
  ],
  'writes the words of a provider that fails': [
    (provider) => async (delivery) => {
      await good(provider)(delivery).catch((error: Error) => {
        if (!(error instanceof TwoFactorRecipientError)) process.stderr.write(error.message);
        throw error;
      });
    },
    [LOG],
  ],
};

/** As they are now, by all that may be done to a property. */
const writers = (): unknown[] => [
  Object.getOwnPropertyDescriptor(process.stdout, 'write'),
  ...[console, Logger, Logger.prototype].map((writer) =>
    Object.getOwnPropertyDescriptor(writer, 'log'),
  ),
];

describe('the contract of a sender backend', () => {
  beforeEach(() => {
    // What the broken ones write is for the suite to see, not for the output of this one.
    vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    vi.spyOn(console, 'info').mockReturnValue(undefined);
    vi.spyOn(Logger.prototype, 'debug').mockReturnValue(undefined);
  });
  afterEach(() => vi.restoreAllMocks());

  it('passes for a backend that fulfils it', async () => {
    expect(await failuresOf(good)).toEqual(new Map());
  });

  it.each(Object.keys(BROKEN))('is broken by a backend that %s', async (way) => {
    const [backend, failing] = BROKEN[way]!;
    const failures = await failuresOf(backend);
    expect([...failures.keys()]).toEqual(failing);
  });

  it('has no test that cannot fail', () => {
    const failing = new Set(Object.values(BROKEN).flatMap(([, names]) => names));
    expect([...failing].toSorted()).toEqual(
      [ONCE, NEXT, APART, ABORTED, GIVES_UP, UNREACHABLE, PASSING, LOG].toSorted(),
    );
  });

  it('leaves console, output and loggers as they were, and closes what it opened', async () => {
    const before = writers();
    let [opened, closed] = [0, 0];
    const contract = contractOf(good);
    const bodies: (() => Promise<void>)[] = [];
    describeSenderBackend(
      'any',
      {
        ...contract,
        open: async () => {
          opened += 1;
          return { ...(await contract.open()), close: () => (closed += 1) };
        },
      },
      { describe: (_, body) => body(), it: (_, body) => void bodies.push(body) },
    );
    for (const body of bodies) await body();
    expect([opened, closed]).toEqual([8, 8]);
    expect(writers()).toEqual(before);
  });

  it('leaves out only the tests of what the backend cannot do', () => {
    const names: string[] = [];
    const { open, token } = contractOf(good);
    describeSenderBackend(
      'any',
      { open, token, deliversToLog: true },
      { describe: (_, body) => body(), it: (name) => void names.push(name) },
    );
    expect(names).toEqual([ONCE, NEXT, APART, ABORTED]);
  });
});
