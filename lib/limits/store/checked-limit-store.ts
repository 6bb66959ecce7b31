import type { EntityManager } from 'typeorm';

import { messageOf, TwoFactorError, TwoFactorUnavailableError } from '../../errors/index.js';
import { DatabaseLimitStore } from './database-limit.store.js';
import type {
  ConsumeResult,
  QuotaAddition,
  QuotaRequest,
  QuotaUsage,
  LimitStore,
} from './limit-store.interface.js';
import { NoLimitStore } from './no-limit.store.js';

/**
 * A store of the application with the guarantees that callers rely on: each call ends within `databaseTimeoutMs`, and every
 * error or malformed answer of the store becomes a `TwoFactorUnavailableError`. Otherwise an error of another kind,
 * or a wrong member read from the answer, would reach the client as HTTP 500. The built-in stores give these guarantees themselves.
 */
export function checkedLimitStore(store: LimitStore, timeoutMs: number): LimitStore {
  const isOurs = store instanceof DatabaseLimitStore || store instanceof NoLimitStore;
  if (isOurs) return store;
  // Without the method a limit that needs it is refused at boot.
  const Checked = store.add === undefined ? CheckedLimitStore : CheckedAddingStore;
  return new Checked(store, timeoutMs);
}

class CheckedLimitStore implements LimitStore {
  constructor(
    protected readonly store: LimitStore,
    private readonly timeoutMs: number,
  ) {}

  async consume(charges: readonly QuotaRequest[], owner: string): Promise<ConsumeResult> {
    const answer: unknown = await this.callWithTimeout(() => this.store.consume(charges, owner));
    const { exhausted, consumed } = (answer ?? {}) as Partial<ConsumeResult>;
    const keys = new Set(charges.map(({ key }) => key));
    // A refusal that names no quota of this call could not be reported to the caller.
    if (
      areLevels(exhausted) &&
      areLevels(consumed) &&
      exhausted.every(({ key }) => keys.has(key))
    ) {
      return { exhausted, consumed };
    }
    throw malformedAnswerError('consume', '{ exhausted, consumed } with the levels of its charges');
  }

  async refund(charges: readonly QuotaRequest[]): Promise<void> {
    await this.callWithTimeout(() => this.store.refund(charges));
  }

  async release(keys: readonly string[], owner?: string): Promise<void> {
    await this.callWithTimeout(() => this.store.release(keys, owner));
  }

  async read(keys: readonly string[], manager?: EntityManager): Promise<readonly QuotaUsage[]> {
    const levels: unknown = await this.callWithTimeout(() => this.store.read(keys, manager));
    if (!areLevels(levels)) throw malformedAnswerError('read', 'a list of levels');
    return levels.filter(({ key }) => keys.includes(key));
  }

  async purge(limit: number): Promise<boolean> {
    return (await this.callWithTimeout(async () => this.store.purge?.(limit))) === true;
  }

  protected async callWithTimeout<T>(question: () => Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new TwoFactorUnavailableError('The limit store did not answer in time. Try again.'));
      }, this.timeoutMs);
    });
    try {
      // Within a promise, so that an error that the store throws synchronously is caught too.
      return await Promise.race([Promise.resolve().then(question), late]);
    } catch (error) {
      if (error instanceof TwoFactorError) throw error;
      const cause = new Error(messageOf(error));
      throw new TwoFactorUnavailableError('The limit store does not answer. Try again.', { cause });
    } finally {
      clearTimeout(timer);
    }
  }
}

class CheckedAddingStore extends CheckedLimitStore {
  async add(additions: readonly QuotaAddition[]): Promise<void> {
    await this.callWithTimeout(async () => this.store.add?.(additions));
  }
}

function areLevels(value: unknown): value is readonly QuotaUsage[] {
  return Array.isArray(value) && value.every(isLevel);
}

function isLevel(value: unknown): boolean {
  const { key, amount, endsAt } = (value ?? {}) as Partial<QuotaUsage>;
  return typeof key === 'string' && Number.isFinite(amount) && Number.isFinite(endsAt);
}

function malformedAnswerError(method: string, expected: string): TwoFactorUnavailableError {
  return new TwoFactorUnavailableError('The limit store does not answer. Try again.', {
    cause: new TypeError(`LimitStore.${method} did not answer ${expected}.`),
  });
}
