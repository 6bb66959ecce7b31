import { createRequire } from 'node:module';

import type { TestDatabase } from './engines.js';

interface SqljsDatabase {
  close(): void;
}

interface Sqljs {
  readonly Database: new () => SqljsDatabase;
}

/**
 * A database in memory that outlives the applications on it, and that several of them share: an application can be
 * ended and started again, and two of them can be up with different secrets.
 */
export async function openSharedSqljs(): Promise<TestDatabase> {
  const require = createRequire(import.meta.url);
  const { Database: Fresh } = await (require('sql.js') as () => Promise<Sqljs>)();
  const shared = new Fresh();
  const close = shared.close.bind(shared);
  // What a data source closes is its own view of it.
  shared.close = () => undefined;
  class Database {
    constructor() {
      return shared;
    }
  }
  return {
    engine: 'sqljs',
    options: { type: 'sqljs', driver: { Database } },
    drop: async () => close(),
  };
}
