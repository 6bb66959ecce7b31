import { Logger } from '@nestjs/common';
import type { EventEmitter2 } from '@nestjs/event-emitter';

import { messageOf } from '../../errors/index.js';
import type { TwoFactorEvent, TwoFactorEvents } from '../../events/index.js';

/** Passes each event on to `EventEmitter2`, until `TwoFactorEvents` completes at the end of the application. */
export class TwoFactorEventEmitterBridge {
  readonly #logger = new Logger('TwoFactorEventEmitter');

  constructor(
    events: TwoFactorEvents,
    private readonly emitter: EventEmitter2,
    private readonly prefix: string,
  ) {
    events.subscribe((event) => this.#forward(event));
  }

  #forward(event: TwoFactorEvent): void {
    const name = `${this.prefix}${event.type}`;
    const { emitter } = this;
    // `emit` and `emitAsync` stop at a listener that throws, and leave the rejection of an earlier listener unhandled, which
    // ends the process. The lists are copied, because `once` removes its listener from the list during the call.
    for (const listener of emitter.listeners(name).slice()) {
      this.#call(name, () => listener.call(emitter, event));
    }
    for (const listener of emitter.listenersAny().slice()) {
      this.#call(name, () => listener.call(emitter, name, event));
    }
  }

  #call(name: string, listener: () => unknown): void {
    const failed = (error: unknown): void => {
      this.#logger.error(`A listener of ${name} failed: ${messageOf(error)}`);
    };
    try {
      Promise.resolve(listener()).catch(failed);
    } catch (error) {
      failed(error);
    }
  }
}
