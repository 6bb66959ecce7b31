import type { EntityManager } from 'typeorm';

import { TwoFactorError, TwoFactorUnavailableError } from '../errors/index.js';
import { DatabaseLimitStore } from './database-limit.store.js';
import type { LimitAnswer, LimitCharge, LimitLevel, LimitStore } from './limit-store.interface.js';
import { NoLimitStore } from './no-limit.store.js';

/**
 * A store of the application behind the promises that callers rely on: each question ends within `timeoutMs`, and whatever
 * the store throws or answers that is no answer becomes a `TwoFactorUnavailableError`. Otherwise an error of another kind,
 * or a wrong member read from the answer, would reach the client as HTTP 500. The built-in stores keep these promises.
 */
export function checkedLimitStore(store: LimitStore, timeoutMs: number): LimitStore {
  const isOurs = store instanceof DatabaseLimitStore || store instanceof NoLimitStore;
  return isOurs ? store : new CheckedLimitStore(store, timeoutMs);
}

class CheckedLimitStore implements LimitStore {
  constructor(
    private readonly store: LimitStore,
    private readonly timeoutMs: number,
  ) {}

  async charge(charges: readonly LimitCharge[], holder: string): Promise<LimitAnswer> {
    const answer: unknown = await this.#ask(() => this.store.charge(charges, holder));
    const { refused, charged } = (answer ?? {}) as Partial<LimitAnswer>;
    const keys = new Set(charges.map(({ key }) => key));
    // A refusal that names no limit of this call could not be told to the caller.
    if (areLevels(refused) && areLevels(charged) && refused.every(({ key }) => keys.has(key))) {
      return { refused, charged };
    }
    throw noAnswer('charge', '{ refused, charged } with the levels of its charges');
  }

  async giveBack(charges: readonly LimitCharge[]): Promise<void> {
    await this.#ask(() => this.store.giveBack(charges));
  }

  async clear(keys: readonly string[], holder?: string): Promise<void> {
    await this.#ask(() => this.store.clear(keys, holder));
  }

  async read(keys: readonly string[], manager?: EntityManager): Promise<readonly LimitLevel[]> {
    const levels: unknown = await this.#ask(() => this.store.read(keys, manager));
    if (!areLevels(levels)) throw noAnswer('read', 'a list of levels');
    return levels.filter(({ key }) => keys.includes(key));
  }

  async purge(limit: number): Promise<boolean> {
    return (await this.#ask(async () => this.store.purge?.(limit))) === true;
  }

  async #ask<T>(question: () => Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new TwoFactorUnavailableError('The limit store did not answer in time. Try again.'));
      }, this.timeoutMs);
    });
    try {
      // Within a promise, so that also what the store throws at once is caught.
      return await Promise.race([Promise.resolve().then(question), late]);
    } catch (error) {
      if (error instanceof TwoFactorError) throw error;
      const cause = new Error(error instanceof Error ? error.message : 'unknown');
      throw new TwoFactorUnavailableError('The limit store does not answer. Try again.', { cause });
    } finally {
      clearTimeout(timer);
    }
  }
}

function areLevels(value: unknown): value is readonly LimitLevel[] {
  return Array.isArray(value) && value.every(isLevel);
}

function isLevel(value: unknown): boolean {
  const { key, amount, endsAt } = (value ?? {}) as Partial<LimitLevel>;
  return typeof key === 'string' && Number.isFinite(amount) && Number.isFinite(endsAt);
}

function noAnswer(method: string, expected: string): TwoFactorUnavailableError {
  return new TwoFactorUnavailableError('The limit store does not answer. Try again.', {
    cause: new TypeError(`LimitStore.${method} did not answer ${expected}.`),
  });
}
