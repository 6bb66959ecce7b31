import { SenderRegistry, type ResolvedSender } from '../sender/index.js';
import { assertDevelopment } from './assert-development.js';
import type { TestInbox } from './test-inbox.js';

/**
 * The senders of an application after discovery and checks, with a `send` that puts the message into the inbox. It replaces all
 * senders, also those that no option names, because a forgotten one would send real messages.
 */
export class TestInboxRegistry extends SenderRegistry {
  readonly #inbox: TestInbox;

  constructor(inbox: TestInbox) {
    super();
    this.#inbox = inbox;
  }

  override fill(senders: ReadonlyMap<string, ResolvedSender>): void {
    assertDevelopment('TestInbox');
    const { send } = this.#inbox;
    super.fill(
      new Map(Array.from(senders, ([name, sender]) => [name, Object.freeze({ ...sender, send })])),
    );
  }
}
