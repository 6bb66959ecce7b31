// The naive twin of the limits: strangers and signed-in subjects share the counters of a token and the total, as they did
// before the two classes were counted apart. What holds with the real counters must not hold with these.
import type { Provider } from '@nestjs/common';
import type { DataSource } from 'typeorm';

import type {
  ConsumeResult,
  QuotaRequest,
  QuotaUsage,
  LimitsOptions,
  LimitStore,
} from '../../lib/index.js';
import { DatabaseLimitStore } from '../../lib/limits/store/database-limit.store.js';
import type { NamedQuota } from '../../lib/limits/named-quota.js';
import { QuotaPlanner } from '../../lib/limits/quota-planner.js';
import type { ResolvedOptions } from '../../lib/options/index.js';
import {
  TWO_FACTOR_DATA_SOURCE,
  TWO_FACTOR_LIMIT_STORE,
  TWO_FACTOR_OPTIONS,
} from '../../lib/two-factor.tokens.js';

/** One list for both classes, as there was one before. */
export const SHARED_LIMITS: LimitsOptions = {
  sendsPerToken: [
    { max: 5, perSeconds: 600 },
    { max: 10, perSeconds: 86_400 },
  ],
  sendsInTotal: [{ max: 500, perSeconds: 3_600 }],
};

/** Keeps what is counted for a subject and its token under the key of the token alone. */
class SharedCounterStore implements LimitStore {
  constructor(
    private readonly store: LimitStore,
    private readonly sharedKeys: ReadonlyMap<string, string>,
  ) {}

  async consume(charges: readonly QuotaRequest[], owner: string): Promise<ConsumeResult> {
    const original = new Map(charges.map(({ key }) => [this.#shared(key), key]));
    const levels = (found: readonly QuotaUsage[]): QuotaUsage[] =>
      found.map((level) => ({ ...level, key: original.get(level.key) ?? level.key }));
    const { exhausted: refused, consumed: charged } = await this.store.consume(
      this.#sharedCharges(charges),
      owner,
    );
    return { exhausted: levels(refused), consumed: levels(charged) };
  }

  refund(charges: readonly QuotaRequest[]): Promise<void> {
    return this.store.refund(this.#sharedCharges(charges));
  }

  release(keys: readonly string[], owner?: string): Promise<void> {
    return this.store.release(keys.map((key) => this.#shared(key)).toSorted(), owner);
  }

  read(keys: readonly string[]): Promise<readonly QuotaUsage[]> {
    return this.store.read(keys.map((key) => this.#shared(key)));
  }

  #shared(key: string): string {
    return this.sharedKeys.get(key) ?? key;
  }

  #sharedCharges(charges: readonly QuotaRequest[]): QuotaRequest[] {
    return charges
      .map((charge) => ({ ...charge, key: this.#shared(charge.key) }))
      .toSorted((one, other) => (one.key < other.key ? -1 : 1));
  }
}

/** The extra `limitStore` of an application whose counters are shared for these subjects and their tokens. */
export function sharedCounters(
  customers: readonly { readonly subject: string; readonly token: string }[],
): Provider {
  return {
    provide: TWO_FACTOR_LIMIT_STORE,
    inject: [TWO_FACTOR_DATA_SOURCE, TWO_FACTOR_OPTIONS],
    useFactory: (dataSource: DataSource, options: ResolvedOptions) => {
      const { databaseTimeoutMs: timeoutMs, preparedStatements, clock } = options;
      const store = DatabaseLimitStore.open(dataSource, {
        timeoutMs,
        preparedStatements,
        maxBatchSize: 1,
        tries: 1,
        clock,
      });
      const planner = new QuotaPlanner(options);
      const keys = customers.flatMap((customer) => [...sharedKeysOf(planner, customer)]);
      return new SharedCounterStore(store, new Map(keys));
    },
  };
}

/** From the key of each counter of the class `bound` to the key of the same counter of the class `open`. */
function sharedKeysOf(
  planner: QuotaPlanner,
  { subject, token }: { readonly subject: string; readonly token: string },
): Map<string, string> {
  const budgetsOf = (name: string): NamedQuota[] =>
    planner.requestQuotas(
      { token, tokenFrom: 'application', subject: name, purpose: '', hasSlot: false },
      { way: 'default', requester: undefined },
    );
  const nameOf = ({ limit, rule }: NamedQuota): string =>
    `${limit} ${rule.kind === 'window' ? rule.windowMs : ''}`;
  const open = new Map(budgetsOf('').map((budget) => [nameOf(budget), budget.key]));
  return new Map(
    budgetsOf(subject).flatMap((budget) => {
      const key = open.get(nameOf(budget));
      return key === undefined ? [] : [[budget.key, key] as const];
    }),
  );
}
