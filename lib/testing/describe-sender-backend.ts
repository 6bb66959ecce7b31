import { deepEqual, equal, ok } from 'node:assert/strict';

import { TwoFactorRecipientError } from '../errors/index.js';
import type { Delivery } from '../sender/index.js';
import { withTimeout } from '../with-timeout.js';
import { assertDevelopment } from './assert-development.js';
import { sampleDelivery } from './sample-delivery.js';
import { captureOutput } from './capture-output.js';

/** A message that the double of a provider has accepted. */
export interface ProviderMessage {
  readonly token: string;
  readonly text: string;
}

/** A backend and a double of its provider, created for each test. */
export interface SenderBackendFixture<Options = unknown> {
  /** Sends by the backend: `(delivery) => backend.send(delivery)`. */
  send(delivery: Delivery<Options>): unknown;
  /** The messages that the provider has accepted, the oldest first. */
  delivered(): readonly ProviderMessage[];
  /** Closes backend and provider. */
  close?(): unknown;
}

/** The properties of a backend that the suite tests. A property that is left out is not tested. */
export interface SenderBackendContract<Options, Fixture extends SenderBackendFixture<Options>> {
  /** Creates backend and provider. */
  readonly open: () => Fixture | Promise<Fixture>;
  /** The n-th of ten different phone numbers or addresses that can be reached, n from 0 to 9. */
  readonly token: (n: number) => string;
  /** The sender's own options, for each delivery. */
  readonly options?: Options | undefined;
  /** The digits of each code, for a provider that takes only some codes. @default 9 */
  readonly codeDigits?: number | undefined;
  /** Phone numbers or addresses that can never be reached. Leave it out only if there is none. */
  readonly unreachable?: readonly string[] | undefined;
  /** Makes the next message fail temporarily. Leave it out only if no message can fail. */
  readonly failNext?: ((fixture: Fixture) => unknown) | undefined;
  /** Makes the provider not respond to the next message. Leave it out only if the backend waits for no response. */
  readonly hang?: ((fixture: Fixture) => unknown) | undefined;
  /** Longest wait from the abort to the end of `send`, in milliseconds. @default 1000 */
  readonly settleWithinMs?: number | undefined;
  /**
   * Whether the backend delivers by writing to the log. The test that code and phone number or address stay out of the log is
   * then left out. @default false
   */
  readonly deliversToLog?: boolean | undefined;
}

/** The functions `describe` and `it` of a test framework, such as Vitest, Jest or `node:test`. */
export interface TestFramework {
  readonly describe: (name: string, body: () => void) => unknown;
  readonly it: (name: string, body: () => Promise<void>) => unknown;
}

/** How many messages the backend is given concurrently. */
const MESSAGES_AT_ONCE = 10;
const SETTLE_WITHIN_MS = 1_000;
/** Long enough for a backend to have called its provider, which does not respond. */
const ABORT_AFTER_MS = 50;

/**
 * Defines the tests of the contract of a sender backend in your test framework. It asserts by `node:assert`, so that it needs only
 * `describe` and `it` of the framework.
 *
 * @throws TwoFactorConfigurationError unless `NODE_ENV` is `development` or `test`.
 * @example
 * ```ts
 * import { describe, it } from 'vitest';
 *
 * describeSenderBackend(
 *   'SmsBackend',
 *   {
 *     open: () => {
 *       const gateway = new SmsGatewayDouble();
 *       const backend = new SmsBackend(gateway);
 *       return {
 *         send: (delivery) => backend.send(delivery),
 *         delivered: () => gateway.sent.map(({ to, text }) => ({ token: to, text })),
 *         gateway,
 *       };
 *     },
 *     options: { from: 'ACME' },
 *     token: (n) => `+1555555010${n}`,
 *     unreachable: ['not a number'],
 *     failNext: ({ gateway }) => gateway.failNext(),
 *     hang: ({ gateway }) => gateway.hang(),
 *   },
 *   { describe, it },
 * );
 * ```
 * @publicApi
 */
export function describeSenderBackend<Options, Fixture extends SenderBackendFixture<Options>>(
  name: string,
  contract: SenderBackendContract<Options, Fixture>,
  { describe, it }: TestFramework,
): void {
  assertDevelopment('describeSenderBackend');
  const { open, token, unreachable = [], failNext, hang, deliversToLog = false } = contract;
  const sample = (n: number, signal?: AbortSignal): Delivery<Options> =>
    sampleDelivery(token(n), contract.options as Options, signal, contract.codeDigits);
  const test = (sentence: string, body: (fixture: Fixture) => Promise<void>): void => {
    it(sentence, async () => {
      const fixture = await open();
      try {
        await body(fixture);
      } finally {
        await fixture.close?.();
      }
    });
  };

  describe(`${name}, as a sender backend`, () => {
    test('delivers one message with the code in it, and ends when the provider has it', async (fixture) => {
      const delivery = sample(0);
      await sent(fixture, delivery);
      assertDelivered(fixture, [delivery]);
    });

    test('keeps nothing of one delivery for the next', async (fixture) => {
      const deliveries = [sample(0), sample(0)];
      for (const delivery of deliveries) await sent(fixture, delivery);
      assertDelivered(fixture, deliveries);
    });

    test('keeps deliveries apart that go out at the same time', async (fixture) => {
      const deliveries = Array.from({ length: MESSAGES_AT_ONCE }, (_, n) => sample(n));
      await Promise.all(deliveries.map((delivery) => sent(fixture, delivery)));
      assertDelivered(fixture, deliveries);
    });

    test('delivers nothing once its signal is aborted', async (fixture) => {
      const outcome = await outcomeOf(sent(fixture, sample(0, AbortSignal.abort())));
      equal(
        outcome.kind,
        'failed',
        'It ended as if it had delivered. Begin with signal.throwIfAborted().',
      );
      assertDelivered(fixture, []);
    });

    if (hang) {
      test('ends by an error when its signal is aborted', async (fixture) => {
        await hang(fixture);
        const abort = new AbortController();
        const sending = outcomeOf(sent(fixture, sample(0, abort.signal)));
        const early = await within(ABORT_AFTER_MS, sending);
        equal(early, null, 'It ended although the provider is silent.');
        abort.abort(new Error('too late'));
        const outcome = await within(contract.settleWithinMs ?? SETTLE_WITHIN_MS, sending);
        equal(
          outcome?.kind,
          'failed',
          'It did not end by an error after the abort. Hand the signal on to whatever waits.',
        );
      });
    }

    for (const unreachableToken of unreachable) {
      test(`says that ${JSON.stringify(unreachableToken)} can never be reached`, async (fixture) => {
        const delivery = sampleDelivery(
          unreachableToken,
          contract.options as Options,
          undefined,
          contract.codeDigits,
        );
        const outcome = await outcomeOf(sent(fixture, delivery));
        ok(
          outcome.kind === 'failed' && outcome.error instanceof TwoFactorRecipientError,
          'It threw no TwoFactorRecipientError.',
        );
        assertDelivered(fixture, []);
      });
    }

    if (failNext) {
      test('passes a passing failure on, and delivers the next message', async (fixture) => {
        await failNext(fixture);
        const outcome = await outcomeOf(sent(fixture, sample(0)));
        equal(outcome.kind, 'failed', 'It ended as if it had delivered.');
        ok(
          !(outcome.kind === 'failed' && outcome.error instanceof TwoFactorRecipientError),
          'It threw a TwoFactorRecipientError, after which the message is not sent again.',
        );
        const next = sample(1);
        await sent(fixture, next);
        assertDelivered(fixture, [next]);
      });
    }

    if (!deliversToLog) {
      test('writes neither code nor token to the log', async (fixture) => {
        const deliveries = [sample(0), sample(1)];
        const written = await captureOutput(async () => {
          await outcomeOf(sent(fixture, deliveries[0]!));
          await failNext?.(fixture);
          await outcomeOf(sent(fixture, deliveries[1]!));
        });
        for (const { code, token: to } of deliveries) {
          ok(!withoutCodeSeparators(written).includes(code), 'It wrote the code.');
          ok(!written.includes(to), 'It wrote the token.');
        }
      });
    }
  });
}

type Outcome = { readonly kind: 'sent' } | { readonly kind: 'failed'; readonly error: unknown };

async function sent<Options>(
  fixture: SenderBackendFixture<Options>,
  delivery: Delivery<Options>,
): Promise<void> {
  await fixture.send(delivery);
}

function outcomeOf(sending: Promise<void>): Promise<Outcome> {
  return sending.then(
    () => ({ kind: 'sent' }),
    (error: unknown) => ({ kind: 'failed', error }),
  );
}

/** `null` when `sending` takes longer. */
function within(ms: number, sending: Promise<Outcome>): Promise<Outcome | null> {
  return withTimeout(ms, () => sending).catch(() => null);
}

/** Asserts one message for each delivery, to its recipient and with its code only. Concurrent messages may have any order. */
function assertDelivered<Options>(
  fixture: SenderBackendFixture<Options>,
  deliveries: readonly Delivery<Options>[],
): void {
  const codesIn = (text: string): string[] =>
    deliveries.flatMap(({ code }) => (withoutCodeSeparators(text).includes(code) ? [code] : []));
  const facts = fixture
    .delivered()
    .map(({ token, text }) => `to ${token} with ${codesIn(text).join(', ') || 'no code'}`);
  const wanted = deliveries.map(({ token, code }) => `to ${token} with ${code}`);
  deepEqual(facts.toSorted(), wanted.toSorted(), 'The provider has other messages.');
}

/** The text without blanks and hyphens, so that a code that a message prints as `123 456` is found in it. */
function withoutCodeSeparators(text: string): string {
  return text.replace(/[ \u00a0-]/g, '');
}
