import { maskToken, type SendContext } from '../confirmation/index.js';
import { TwoFactorConfigurationError } from '../errors/index.js';
import type { Delivery, SenderDefinition } from '../sender/index.js';
import { assertDevelopment } from './assert-development.js';

/** A message in a `TestInbox`. */
export interface CapturedMessage {
  /** The confirmation's id. */
  readonly id: string;
  /** The recipient, as it was given. */
  readonly token: string;
  /** The clear code. */
  readonly code: string;
  /** The sender's name. */
  readonly way: string;
  readonly purpose: string;
  readonly subject: string;
  readonly details: unknown;
  readonly context: SendContext;
  readonly expiresInSeconds: number;
}

/** The options of a `TestInbox`. */
export interface TestInboxOptions {
  /** The most messages, 1 to 1,000,000. The oldest ones beyond are removed. @default 1000 */
  readonly max?: number | undefined;
}

const DEFAULT_MAX = 1_000;
const MAX = 1_000_000;

/**
 * Keeps messages in memory instead of sending them, so that a test can read the code. No other place has it in clear: the database
 * stores a keyed MAC and a sealed envelope. Two applications with an inbox each share no messages.
 *
 * @example
 * ```ts
 * const inbox = module.get(TestInbox);
 * const { id } = await module.get(TwoFactorService).request({ token: 'ann@example.com' });
 * await module.get(ConfirmerService).confirm(id, inbox.lastCode('ann@example.com'));
 * ```
 * @publicApi
 */
export class TestInbox {
  readonly #max: number;
  readonly #failures: unknown[] = [];
  #messages: CapturedMessage[] = [];

  /** @throws TwoFactorConfigurationError unless `NODE_ENV` is `development` or `test`. */
  constructor({ max = DEFAULT_MAX }: TestInboxOptions = {}) {
    assertDevelopment('TestInbox');
    if (!Number.isInteger(max) || max < 1 || max > MAX) {
      throw new TwoFactorConfigurationError(
        `A TestInbox keeps a whole number of messages from 1 to ${MAX}. Give { max: ${DEFAULT_MAX} }.`,
      );
    }
    this.#max = max;
  }

  /** All messages, the oldest first. */
  get messages(): readonly CapturedMessage[] {
    return [...this.#messages];
  }

  /** The messages to this phone number or address, in its given spelling, the oldest first. */
  to(token: string): readonly CapturedMessage[] {
    return this.#messages.filter((message) => message.token === token);
  }

  /**
   * The clear code of the newest message to this phone number or address, or without an argument of the newest message.
   *
   * @throws Error when there is none; its message contains the masked recipients of the other messages.
   */
  lastCode(token?: string): string {
    const last = token === undefined ? this.#messages.at(-1) : this.to(token).at(-1);
    if (last !== undefined) return last.code;
    const others = [...new Set(this.#messages.map((message) => maskToken(message.token)))];
    throw new Error(
      `Nothing was sent${token === undefined ? '' : ` to ${maskToken(token)}`}. ` +
        `In the inbox are messages to: ${others.join(', ') || '(none)'}.`,
    );
  }

  /** Removes all messages and all planned failures. */
  clear(): void {
    this.#messages = [];
    this.#failures.length = 0;
  }

  /**
   * Makes the next message fail, as a provider would; the message is not kept. Each call makes one further message fail.
   *
   * @example
   * ```ts
   * inbox.failNext(new TwoFactorRecipientError('No such mailbox.'));
   * ```
   */
  failNext(error: unknown = new Error('The provider did not answer.')): void {
    this.#failures.push(error);
  }

  /**
   * A backend that puts messages into this inbox, for the option `senders`.
   *
   * @example
   * ```ts
   * const inbox = new TestInbox();
   * TwoFactorModule.forRoot({ senders: { default: { backend: inbox.backend } } });
   * ```
   */
  readonly backend: SenderDefinition['backend'] & (() => TestInbox['send']) = () => this.send;

  /** Puts one message into this inbox. */
  readonly send = (delivery: Delivery): void => {
    assertDevelopment('TestInbox');
    if (this.#failures.length > 0) throw this.#failures.shift();
    const { state, token, code, name, context, expiresInSeconds } = delivery;
    const { id, purpose, subject, details } = state;
    this.#messages.push(
      Object.freeze<CapturedMessage>({
        id,
        token,
        code,
        way: name,
        purpose,
        subject,
        details,
        context,
        expiresInSeconds,
      }),
    );
    if (this.#messages.length > this.#max) this.#messages.shift();
  };
}
