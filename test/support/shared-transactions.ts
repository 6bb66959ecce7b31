// Calls of several kinds share one transaction on PostgreSQL when TypeORM logs no statement and no statement charges limits.
import { Connection } from 'pg';
import { afterEach, vi } from 'vitest';

import type { ConfirmationState } from '../../lib/index.js';
import { SILENT, startApp, type TestApp, type TestAppInput } from './test-app.js';

export const startSharing = (
  options = {},
  dataSource = {},
  database?: TestAppInput['database'],
): Promise<TestApp> =>
  startApp({
    engine: 'postgres',
    ...(database && { database }),
    dataSource: { ...SILENT, ...dataSource },
    // Also where the environment says that nothing is joined.
    // Only statements without limits go in one transaction with those of other kinds.
    options: { batching: true, env: false, limits: false, ...options },
  });

interface Wire {
  parse: (this: object, query: { name: string; text: string }) => void;
  execute: (this: object, portal: object) => void;
  sync: (this: object) => void;
}
export const wire = (Connection as unknown as { prototype: Wire }).prototype;

/** How many statements went in each go, from now on. */
export function goes(): number[] {
  const open = new Map<object, number>();
  const counted: number[] = [];
  const { execute, sync } = wire;
  vi.spyOn(wire, 'execute').mockImplementation(function (this: object, portal) {
    open.set(this, (open.get(this) ?? 0) + 1);
    execute.call(this, portal);
  });
  vi.spyOn(wire, 'sync').mockImplementation(function (this: object) {
    counted.push(open.get(this) ?? 0);
    open.delete(this);
    sync.call(this);
  });
  return counted;
}

/** Makes the driver send another text to the server from now on. */
export function rewrite(change: (text: string) => string): void {
  const { parse } = wire;
  vi.spyOn(wire, 'parse').mockImplementation(function (this: object, { name, text }) {
    parse.call(this, { name, text: change(text) });
  });
}

interface SharedTransactions {
  readonly start: (options?: object, dataSource?: object) => Promise<TestApp>;
  readonly make: (count: number, input?: object) => Promise<ConfirmationState[]>;
  readonly confirmed: (count: number) => Promise<ConfirmationState[]>;
  /** Makes concurrent calls of each kind. */
  readonly mixed: (
    used: readonly ConfirmationState[],
    tried: readonly ConfirmationState[],
  ) => Promise<unknown>[];
}

/** One application for each test, which is closed after it, and what the tests ask of it. */
export function sharedTransactions(): SharedTransactions {
  let test: TestApp;
  afterEach(async () => {
    vi.restoreAllMocks();
    await test.close();
  });
  const make = (count: number, input = {}): Promise<ConfirmationState[]> =>
    Promise.all(Array.from({ length: count }, () => test.confirmer.makeConfirmation(input)));
  return {
    start: async (options, dataSource) => {
      test = await startSharing(options, dataSource);
      return test;
    },
    make,
    confirmed: (count) => make(count, { isConfirmed: true }),
    mixed: (used, tried) => {
      const { confirmer } = test;
      return [
        ...used.map((state) => confirmer.use(state)),
        ...tried.map((state) => confirmer.confirm(state.id, state.code!)),
        ...tried.map(() => confirmer.makeConfirmation()),
      ];
    },
  };
}
