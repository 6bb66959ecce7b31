import { TwoFactorConfigurationError } from '../errors/index.js';
import type { SendFunction } from './sender-definition.js';

/** A sender whose backend is created and checked. */
export interface ResolvedSender {
  readonly name: string;
  readonly verboseName: string;
  readonly options: unknown;
  readonly send: SendFunction;
}

/**
 * All senders by name. Inject it with `@InjectSenderBackends()`, and read it in `onApplicationBootstrap` or later.
 *
 * @publicApi
 */
export type SenderBackends = ReadonlyMap<string, ResolvedSender>;

/** The map behind `SENDER_BACKENDS`. It is filled in `onModuleInit`, because before that not all providers exist. */
export class SenderRegistry implements SenderBackends {
  #senders: ReadonlyMap<string, ResolvedSender> | null = null;

  fill(senders: ReadonlyMap<string, ResolvedSender>): void {
    this.#senders = senders;
  }

  get size(): number {
    return this.#ready().size;
  }

  get(name: string): ResolvedSender | undefined {
    return this.#ready().get(name);
  }

  has(name: string): boolean {
    return this.#ready().has(name);
  }

  forEach(
    visit: (sender: ResolvedSender, name: string, senders: SenderBackends) => void,
    thisArgument?: unknown,
  ): void {
    this.#ready().forEach((sender, name) => visit.call(thisArgument, sender, name, this));
  }

  entries(): MapIterator<[string, ResolvedSender]> {
    return this.#ready().entries();
  }

  keys(): MapIterator<string> {
    return this.#ready().keys();
  }

  values(): MapIterator<ResolvedSender> {
    return this.#ready().values();
  }

  [Symbol.iterator](): MapIterator<[string, ResolvedSender]> {
    return this.entries();
  }

  #ready(): ReadonlyMap<string, ResolvedSender> {
    if (this.#senders === null) {
      throw new TwoFactorConfigurationError(
        "The sender backends are found in TwoFactorModule's onModuleInit, and were read before it. Read them in " +
          'onApplicationBootstrap or later. If LazyModuleLoader loads TwoFactorModule, import it in a module of the ' +
          'application instead: Nest runs no hooks and no controllers of lazy modules.',
      );
    }
    return this.#senders;
  }
}
