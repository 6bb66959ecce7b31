// The default options on SQLite, whose file is locked by another process or whose connection is closed: as on the servers.
import { createRequire } from 'node:module';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { engines, openDatabase, type TestDatabase } from '../../support/engines.js';
import { startHttpApp, type HttpTestApp } from '../../support/http.js';
import { startApp, TestClock, type TestApp } from '../../support/test-app.js';
import { expectNoStrayRejections, quietly } from './behind-proxy.js';
import {
  CALL_OPTIONS,
  chargesOf,
  outcomesOf,
  preparePublicCalls,
  SERVED,
  TransfersController,
  UNAVAILABLE,
  withWord,
  type Charges,
} from './public-calls.js';

/** The default. */
const TIMEOUT_MS = 5_000;
/** How long the driver itself waits for the file. It waits on this thread, so that nothing else happens meanwhile. */
const BUSY_TIMEOUT_MS = 10;

interface SqliteFile {
  exec(sql: string): void;
  close(): void;
}
type OpenFile = new (path: string) => SqliteFile;

expectNoStrayRejections();

describe.each(engines.filter((engine) => engine === 'better-sqlite3'))(
  'With default options on %s',
  (engine) => {
    let database: TestDatabase;
    let test: HttpTestApp;
    let direct: TestApp;

    beforeAll(async () => {
      database = await openDatabase(engine);
      const clock = new TestClock();
      const options = { ...CALL_OPTIONS, clock };
      direct = await startApp({ ...quietly, database, options: { ...options, controller: false } });
      const http = await startHttpApp({
        ...quietly,
        database,
        controllers: [TransfersController],
        options: { ...options, databaseTimeoutMs: TIMEOUT_MS },
        dataSource: { timeout: BUSY_TIMEOUT_MS },
      });
      test = { ...http, clock };
    });
    afterAll(async () => {
      await test.close();
      await direct.close();
      await database.drop();
    });

    const faults: readonly {
      readonly name: string;
      readonly begin: () => Promise<() => Promise<void>>;
      readonly spares: readonly string[];
    }[] = [
      {
        name: 'a file that is locked',
        begin: async () => {
          const require = createRequire(new URL('../package.json', import.meta.url));
          const File = require('better-sqlite3') as OpenFile;
          const file = new File(database.options.database as string);
          file.exec('BEGIN EXCLUSIVE');
          return async () => {
            file.exec('ROLLBACK');
            file.close();
          };
        },
        spares: [],
      },
      {
        name: 'a connection that is closed',
        begin: async () => {
          await test.dataSource.destroy();
          return async () => {
            await test.dataSource.initialize();
          };
        },
        spares: [],
      },
    ];

    describe.each(faults)('and $name', ({ begin, spares }) => {
      let outcomes: Record<string, string>;
      let before: Charges;
      let after: Charges;

      beforeAll(async () => {
        // A transaction of the application's would be one of all calls: there is one connection.
        const { calls, close } = await preparePublicCalls({ test, direct }, { isAlone: true });
        await close();
        before = await chargesOf({ direct });
        const end = await begin();
        outcomes = await outcomesOf(calls.filter(({ name }) => !spares.includes(name)));
        await end();
        after = await chargesOf({ direct });
      });

      it('answers TwoFactorUnavailableError, over HTTP 503 with Retry-After, from every public call', () => {
        expect(outcomes).toEqual(withWord(outcomes, UNAVAILABLE));
      });

      it('leaves nothing charged, made or used', () => {
        expect(after).toEqual(before);
      });

      it('serves every public call as soon as it is over', async () => {
        const { calls, close } = await preparePublicCalls({ test, direct }, { isAlone: true });
        const served: Record<string, string> = {};
        for (const { name, make } of calls) served[name] = await make();
        await close();
        const { 'use with manager': _none, ...expected } = SERVED;
        expect(served).toEqual({ ...withWord(served, 'done'), ...expected });
      });
    });
  },
);
