import { SenderRegistry, type ResolvedSender } from '../sender/index.js';
import { assertDevelopment } from './assert-development.js';
import type { Outbox } from './outbox.js';

/**
 * The senders of an application as they were found and checked at boot, each of which puts its messages into the outbox.
 * Also those that no option names: a forgotten one would send for real.
 */
export class OutboxRegistry extends SenderRegistry {
  readonly #outbox: Outbox;

  constructor(outbox: Outbox) {
    super();
    this.#outbox = outbox;
  }

  override fill(senders: ReadonlyMap<string, ResolvedSender>): void {
    assertDevelopment('Outbox');
    const { send } = this.#outbox;
    super.fill(
      new Map(Array.from(senders, ([name, sender]) => [name, Object.freeze({ ...sender, send })])),
    );
  }
}
