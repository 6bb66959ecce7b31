import type { LimitAnswer, LimitLevel, LimitStore } from './limit-store.interface.js';

/** What stands in for a store when all limits are off: it needs no table. */
export class NoLimitStore implements LimitStore {
  async charge(): Promise<LimitAnswer> {
    return { refused: [], charged: [] };
  }

  async giveBack(): Promise<void> {}

  async clear(): Promise<void> {}

  async read(): Promise<readonly LimitLevel[]> {
    return [];
  }
}
