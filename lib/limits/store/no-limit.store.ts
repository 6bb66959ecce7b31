import type { ConsumeResult, QuotaUsage, LimitStore } from './limit-store.interface.js';

/** What stands in for a store when all limits are off: it needs no table. */
export class NoLimitStore implements LimitStore {
  async consume(): Promise<ConsumeResult> {
    return { exhausted: [], consumed: [] };
  }

  async refund(): Promise<void> {}

  async release(): Promise<void> {}

  async read(): Promise<readonly QuotaUsage[]> {
    return [];
  }
}
