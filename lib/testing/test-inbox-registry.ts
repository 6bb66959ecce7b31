import { SenderRegistry, type ResolvedSender } from '../sender/index.js';
import { assertDevelopment } from './assert-development.js';
import type { TestInbox } from './test-inbox.js';

/**
 * The senders of an application as they were found and checked at boot, each of which puts its messages into the inbox.
 * Also those that no option names: a forgotten one would send for real.
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
