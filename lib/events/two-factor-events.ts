import { Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import { Observable, Subject } from 'rxjs';

import { messageOf } from '../errors/index.js';
import type { TwoFactorEvent } from './two-factor-event.interface.js';

/**
 * All events of the module, as they happen in this application instance. Nothing is kept: subscribe before, in a
 * constructor or in `onModuleInit`. A subscriber runs while the call that caused the event waits: hand anything slow on.
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
export class TwoFactorEvents extends Observable<TwoFactorEvent> implements OnModuleDestroy {
  readonly #logger = new Logger(TwoFactorEvents.name);
  readonly #subject: Subject<TwoFactorEvent>;

  constructor() {
    const subject = new Subject<TwoFactorEvent>();
    super((subscriber) => subject.subscribe(subscriber));
    this.#subject = subject;
  }

  onModuleDestroy(): void {
    this.#subject.complete();
  }

  /**
   * Whether anybody listens.
   *
   * @internal
   */
  get isObserved(): boolean {
    return this.#subject.observed;
  }

  /**
   * Tells it to those who listen; an event that nobody listens to is not even made.
   *
   * @internal
   */
  emit(make: () => TwoFactorEvent): void {
    if (!this.#subject.observed) return;
    try {
      this.#subject.next(Object.freeze(make()));
    } catch (error) {
      // What happened has happened: an event that cannot be told must not undo it.
      this.#logger.warn(`An event was lost: ${messageOf(error)}`);
    }
  }
}
