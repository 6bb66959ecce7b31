import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { Observable, Subject } from 'rxjs';

import { messageOf } from '../errors/index.js';
import type { TwoFactorEvent } from './two-factor-event.interface.js';

/**
 * An observable of all events of this application instance. Past events are not stored, so subscribe early, in a constructor or
 * in `onModuleInit`. The call that caused an event waits for the subscribers: pass slow work on to a queue.
 *
 * @example
 * ```ts
 * @Injectable()
 * export class Audit {
 *   constructor(events: TwoFactorEvents) {
 *     events.pipe(filter(({ type }) => type === 'locked')).subscribe((event) => alarm(event));
 *   }
 * }
 * ```
 * @publicApi
 */
@Injectable()
export class TwoFactorEvents extends Observable<TwoFactorEvent> implements OnApplicationShutdown {
  readonly #logger = new Logger(TwoFactorEvents.name);
  readonly #subject: Subject<TwoFactorEvent>;

  constructor() {
    const subject = new Subject<TwoFactorEvent>();
    super((subscriber) => subject.subscribe(subscriber));
    this.#subject = subject;
  }

  /** Ends the events in this last hook of the shutdown. Earlier, messages that were still being sent would not be reported. */
  onApplicationShutdown(): void {
    this.#subject.complete();
  }

  /**
   * Whether there are subscribers.
   *
   * @internal
   */
  get isObserved(): boolean {
    return this.#subject.observed;
  }

  /**
   * Emits an event. Without subscribers the event is not created.
   *
   * @internal
   */
  emit(create: () => TwoFactorEvent): void {
    if (!this.#subject.observed) return;
    try {
      this.#subject.next(Object.freeze(create()));
    } catch (error) {
      // The change that the event reports is committed. An event that cannot be created must not make its call fail.
      this.#logger.warn(`An event was lost: ${messageOf(error)}`);
    }
  }
}
