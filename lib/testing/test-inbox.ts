import { maskToken, type SendContext } from '../confirmation/index.js';
import { TwoFactorConfigurationError } from '../errors/index.js';
import type { Delivery, SenderDefinition } from '../sender/index.js';
import { assertDevelopment } from './assert-development.js';

/** One message that an `TestInbox` took instead of a provider. */
export interface CapturedMessage {
  /** The confirmation's id. */
  readonly id: string;
  /** Where it would have gone. */
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

/** How much an `TestInbox` keeps. */
export interface TestInboxOptions {
  /** Messages that are kept, 1 to 1,000,000; of more the oldest are forgotten. @default 1000 */
  readonly max?: number | undefined;
}

const DEFAULT_MAX = 1_000;
const MAX = 1_000_000;

/**
 * Keeps messages in memory instead of sending them, so that a test can read the code, which nothing else in the
 * application knows: the database has a keyed MAC and a sealed envelope. Each inbox is one object: two applications with
 * an inbox each do not meet.
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
        `An TestInbox keeps a whole number of messages from 1 to ${MAX}. Give { max: ${DEFAULT_MAX} }.`,
      );
    }
    this.#max = max;
  }

  /** What was sent, the oldest first. */
  get messages(): readonly CapturedMessage[] {
    return [...this.#messages];
  }

  /** What was sent to this token, spelt as it was given, the oldest first. */
  to(token: string): readonly CapturedMessage[] {
    return this.#messages.filter((message) => message.token === token);
  }

  /**
   * The clear code of the newest message to this token, or of all.
   *
   * @throws Error when there is none, saying to whom there are some.
   */
  lastCode(token?: string): string {
    const last = token === undefined ? this.#messages.at(-1) : this.to(token).at(-1);
    if (last !== undefined) return last.code;
    const others = [...new Set(this.#messages.map((message) => maskToken(message.token)))];
    throw new Error(
      `Nothing was sent${token === undefined ? '' : ` to ${maskToken(token)}`}. ` +
        `In the inbox are messages to: ${others.join(', ') || '(nobody)'}.`,
    );
  }

  /** Forgets all messages, and the failures that are still to come. */
  clear(): void {
    this.#messages = [];
    this.#failures.length = 0;
  }

  /**
   * Lets the next message fail as a provider would; it is not kept. Called twice, two fail.
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
   * The backend that puts messages here, for a sender of your own options.
   *
   * @example
   * ```ts
   * const inbox = new TestInbox();
   * TwoFactorModule.forRoot({ senders: { default: { backend: inbox.backend } } });
   * ```
   */
  readonly backend: SenderDefinition['backend'] & (() => TestInbox['send']) = () => this.send;

  /** Takes one message. */
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
