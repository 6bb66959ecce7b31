// Every cause for which a database refuses: what the client is answered, what the log says, and whether a repeated call
// helps. `docs/errors.md` has the same table.
import { randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { ConsoleLogger } from '@nestjs/common';
import type { TestingModuleBuilder } from '@nestjs/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { recordOutput } from '../../support/canaries.js';
import { engines, type TestDatabase } from '../../support/engines.js';
import { FaultProxy } from '../../support/fault-proxy.js';
import { startHttpApp, type Answer, type HttpTestApp } from '../../support/http.js';
import { ownServers, type OwnServer } from '../../support/own-servers.js';
import { cellsOf } from '../../support/tables.js';
import { expectNoStrayRejections, STATEMENTS } from './behind-proxy.js';

expectNoStrayRejections();

const POOL = 3;

/** Keeps what the application logs as errors, for the tests to read. */
class ErrorLog extends ConsoleLogger {
  readonly lines: string[] = [];

  constructor() {
    super({ logLevels: [] });
  }

  override error(...lines: unknown[]): void {
    recordOutput('error', ...lines);
    this.lines.push(String(lines[0]));
  }
}

/** MySQL is as MariaDB, where it is not named. */
type Engine = 'postgres' | 'mariadb';
type ByEngine<T> = Readonly<Record<Engine, T> & Partial<Record<'mysql', T>>>;
type Outcome = 'temporarily-unavailable' | 'out-of-service' | 'invalid-configuration';

interface Stage {
  readonly server: OwnServer;
  readonly proxy: FaultProxy;
  readonly http: HttpTestApp;
  /** The row that the statement of the call is about. */
  readonly id: string;
}

/** Brings the cause about, and returns what ends it. */
type Provocation = (stage: Stage) => Promise<(() => Promise<unknown>) | undefined>;

interface Cause {
  readonly outcome: Outcome | 'none';
  /** Whether the same call succeeds when it is repeated while nobody repairs anything. */
  readonly isRepeatable: boolean;
  readonly log?: ByEngine<RegExp>;
  readonly provoke: ByEngine<Provocation>;
}

const executing =
  (sql: readonly string[], undo: readonly string[]): Provocation =>
  async ({ server }) => {
    const all = async (statements: readonly string[]): Promise<void> => {
      for (const statement of statements) await server.execute(statement);
      // Sessions keep their privileges, settings and search path.
      await server.terminateSessions();
    };
    await all(sql);
    return () => all(undo);
  };

/** In the database of the application, as the owner of its tables. */
const altering =
  (sql: string, undo: string): Provocation =>
  async ({ http: { dataSource } }) => {
    await dataSource.query(sql);
    return () => dataSource.query(undo);
  };

const constraining: Provocation = async (stage) =>
  altering(
    `ALTER TABLE two_factor_confirmation ADD CONSTRAINT ours CHECK (attempts = 0 OR id <> '${stage.id}')`,
    'ALTER TABLE two_factor_confirmation DROP CONSTRAINT ours',
  )(stage);

/** The proxy answers with this code instead of the server. */
const refusing =
  (refused: string | number, times: number): Provocation =>
  async ({ proxy }) => {
    proxy.trap(STATEMENTS.confirm, { refused }, times);
    return async () => proxy.calm();
  };

/** A session of an operator holds the row. */
const holdingTheRow =
  (sql: string, undo: string): Provocation =>
  async ({ server, http, id }) => {
    const end = await executing([sql], [undo])({ server } as Stage);
    const owner = http.dataSource.createQueryRunner();
    await owner.startTransaction();
    await owner.query(`UPDATE two_factor_confirmation SET attempts = attempts WHERE id = '${id}'`);
    return async () => {
      await owner.rollbackTransaction().catch(() => undefined);
      await owner.release();
      await end?.();
    };
  };

const anotherPassword: Readonly<Record<Engine, Provocation>> = {
  postgres: async ({ server }) => {
    const [{ hba_file: file } = {}] = await server.execute('SHOW hba_file');
    const before = await readFile(String(file), 'utf8');
    await server.execute("ALTER ROLE application PASSWORD 'another'");
    await writeFile(String(file), `host all application 127.0.0.1/32 scram-sha-256\n${before}`);
    await server.execute('SELECT pg_reload_conf()');
    await server.terminateSessions();
    return async () => {
      await writeFile(String(file), before);
      await server.execute('SELECT pg_reload_conf()');
    };
  },
  mariadb: executing(
    ["ALTER USER application IDENTIFIED BY 'another'"],
    ["ALTER USER application IDENTIFIED BY 'application'"],
  ),
};

const CAUSES: Readonly<Record<string, Cause>> = {
  'a deadlock': {
    outcome: 'none',
    isRepeatable: true,
    provoke: { postgres: refusing('40P01', 5), mariadb: refusing(1213, 5) },
  },
  'a failover that leaves the open connections on the old primary': {
    outcome: 'none',
    isRepeatable: true,
    provoke: {
      postgres: async ({ proxy }) => void proxy.trapOpen(STATEMENTS.confirm, { refused: '25006' }),
      mariadb: async ({ proxy }) => void proxy.trapOpen(STATEMENTS.confirm, { refused: 1290 }),
    },
  },
  'a missing privilege': {
    outcome: 'invalid-configuration',
    isRepeatable: false,
    log: {
      postgres: /lacks a privilege \(SQLSTATE 42501\).* Cause: permission denied for table/,
      mariadb:
        /lacks a privilege \(errno 1142, ER_TABLEACCESS_DENIED_ERROR\).* Cause: UPDATE command/,
      mysql:
        /lacks a privilege \(errno 1143, ER_COLUMNACCESS_DENIED_ERROR\).* Cause: UPDATE command/,
    },
    provoke: {
      postgres: altering(
        'REVOKE UPDATE ON two_factor_confirmation FROM application',
        'GRANT UPDATE ON two_factor_confirmation TO application',
      ),
      mariadb: executing(
        ['REVOKE UPDATE ON application.* FROM application'],
        ['GRANT UPDATE ON application.* TO application'],
      ),
    },
  },
  'a server that accepts no writes': {
    outcome: 'out-of-service',
    isRepeatable: false,
    log: {
      postgres: /accepts no writes.* \(SQLSTATE 25006\)\. Connect to the primary/,
      mariadb: /accepts no writes.* \(errno 1290, ER_OPTION_PREVENTS_STATEMENT\)\. Connect/,
    },
    provoke: {
      postgres: executing(
        ['ALTER ROLE application SET default_transaction_read_only = on'],
        ['ALTER ROLE application RESET default_transaction_read_only'],
      ),
      mariadb: executing(['SET GLOBAL read_only = ON'], ['SET GLOBAL read_only = OFF']),
    },
  },
  'a missing table': {
    outcome: 'invalid-configuration',
    isRepeatable: false,
    log: {
      postgres: /lacks a table.*\(SQLSTATE 42P01: relation .* does not exist\): run the migrations/,
      mariadb: /lacks a table.*\(errno 1146, ER_NO_SUCH_TABLE: .* doesn't exist\): run the migra/,
    },
    provoke: {
      postgres: altering(
        'ALTER TABLE two_factor_confirmation RENAME TO elsewhere',
        'ALTER TABLE elsewhere RENAME TO two_factor_confirmation',
      ),
      mariadb: altering(
        'RENAME TABLE two_factor_confirmation TO elsewhere',
        'RENAME TABLE elsewhere TO two_factor_confirmation',
      ),
    },
  },
  'a missing column': {
    outcome: 'invalid-configuration',
    isRepeatable: false,
    log: {
      postgres: /lacks a table.*\(SQLSTATE 42703: column "use_before" .*\): run the migrations/,
      mariadb:
        /lacks a table.*\(errno 1054, ER_BAD_FIELD_ERROR: .*use_before.*\): run the migrations/,
    },
    provoke: {
      postgres: altering(
        'ALTER TABLE two_factor_confirmation RENAME COLUMN use_before TO later',
        'ALTER TABLE two_factor_confirmation RENAME COLUMN later TO use_before',
      ),
      mariadb: altering(
        'ALTER TABLE two_factor_confirmation RENAME COLUMN use_before TO later',
        'ALTER TABLE two_factor_confirmation RENAME COLUMN later TO use_before',
      ),
    },
  },
  'tables in another schema': {
    outcome: 'invalid-configuration',
    isRepeatable: false,
    log: {
      postgres: /lacks a table.*\(SQLSTATE 42P01: .*\).* set the schema of the data source/,
      mariadb: /has no such database \(errno 1049, ER_BAD_DB_ERROR\).* Cause: Unknown database/,
    },
    provoke: {
      postgres: executing(
        ['ALTER ROLE application SET search_path = elsewhere'],
        ['ALTER ROLE application RESET search_path'],
      ),
      mariadb: executing(
        [
          'CREATE DATABASE elsewhere',
          ...['confirmation', 'limit'].map(
            (name) => `RENAME TABLE application.two_factor_${name} TO elsewhere.two_factor_${name}`,
          ),
          'DROP DATABASE application',
        ],
        [
          'CREATE DATABASE application CHARACTER SET utf8mb4',
          ...['confirmation', 'limit'].map(
            (name) => `RENAME TABLE elsewhere.two_factor_${name} TO application.two_factor_${name}`,
          ),
          'DROP DATABASE elsewhere',
        ],
      ),
    },
  },
  'a wrong password': {
    outcome: 'invalid-configuration',
    isRepeatable: false,
    log: {
      postgres: /refuses the login.* \(SQLSTATE 28P01\).* Cause: password authentication failed/,
      mariadb: /refuses the login.* \(errno 1045, ER_ACCESS_DENIED_ERROR\).* Cause: Access denied/,
    },
    provoke: anotherPassword,
  },
  'a constraint of your own': {
    outcome: 'invalid-configuration',
    isRepeatable: false,
    log: {
      postgres:
        /a constraint or a trigger refuses.* \(SQLSTATE 23514\).* Cause: new row for relation/,
      mariadb: /a constraint or a trigger refuses.* \(errno 4025, .*\).* Cause: CONSTRAINT/,
      mysql: /a constraint or a trigger refuses.* \(errno 3819, .*\).* Cause: Check constraint/,
    },
    provoke: { postgres: constraining, mariadb: constraining },
  },
  'a text outside of the character set': {
    outcome: 'invalid-configuration',
    isRepeatable: false,
    log: {
      postgres: /character set of a column cannot hold a text \(SQLSTATE 22P05\)/,
      mariadb: /character set of a column cannot hold a text \(errno 1366\b/,
    },
    // What is stored is ASCII. A column that holds less, such as one in UTF-16 behind a proxy, is simulated.
    provoke: { postgres: refusing('22P05', Infinity), mariadb: refusing(1366, Infinity) },
  },
  'a full disk': {
    outcome: 'out-of-service',
    isRepeatable: false,
    log: {
      postgres: /disk or the table space of the server is full \(SQLSTATE 53100\)/,
      mariadb: /disk or the table space of the server is full \(errno 1021\b/,
    },
    // Simulated: no disk of this machine may be filled. SQLite's is real, below.
    provoke: { postgres: refusing('53100', Infinity), mariadb: refusing(1021, Infinity) },
  },
  'too many connections': {
    outcome: 'temporarily-unavailable',
    isRepeatable: true,
    log: {
      postgres: /no more connections for this application \(SQLSTATE 53300\)/,
      mariadb: /no more connections for this application \(errno 1226, .*\)/,
    },
    provoke: {
      postgres: executing(
        ['ALTER ROLE application CONNECTION LIMIT 0'],
        ['ALTER ROLE application CONNECTION LIMIT -1'],
      ),
      mariadb: async (stage) => {
        // One connection of another program is all that the user may have.
        await stage.server.execute('ALTER USER application WITH MAX_USER_CONNECTIONS 1');
        await stage.server.terminateSessions();
        const other = stage.http.dataSource.createQueryRunner();
        await other.query('SELECT 1');
        return async () => {
          await other.release();
          await stage.server.execute('ALTER USER application WITH MAX_USER_CONNECTIONS 0');
          await stage.server.terminateSessions();
        };
      },
    },
  },
  'a statement time-out of the server': {
    outcome: 'temporarily-unavailable',
    isRepeatable: true,
    log: {
      postgres: /ended a statement that took too long \(SQLSTATE 57014\)/,
      mariadb: /ended a statement that took too long \(errno 1969\b/,
      mysql: /ended a statement that took too long \(errno 3024\b/,
    },
    provoke: {
      postgres: holdingTheRow(
        "ALTER ROLE application SET statement_timeout = '300ms'",
        'ALTER ROLE application RESET statement_timeout',
      ),
      mariadb: holdingTheRow(
        'SET GLOBAL max_statement_time = 0.3',
        'SET GLOBAL max_statement_time = 0',
      ),
      // Simulated: it ends no statement but SELECT.
      mysql: refusing(3024, 1),
    },
  },
  'a lost connection': {
    outcome: 'temporarily-unavailable',
    isRepeatable: true,
    log: {
      postgres: /connection to the server was lost \((ECONNRESET|no code)\)/,
      mariadb: /connection to the server was lost \((ECONNRESET|PROTOCOL_CONNECTION_LOST)\)/,
    },
    provoke: {
      postgres: async ({ proxy }) => void proxy.trap(STATEMENTS.confirm, 'cut-before'),
      mariadb: async ({ proxy }) => void proxy.trap(STATEMENTS.confirm, 'cut-before'),
    },
  },
  'a server that is down': {
    outcome: 'temporarily-unavailable',
    isRepeatable: true,
    log: {
      postgres: /TwoFactorUnavailableError: The (server|connection).* Try again\./,
      mariadb: /TwoFactorUnavailableError: The (server|connection).* Try again\./,
    },
    provoke: {
      postgres: async ({ server }) => {
        await server.stop();
        return () => server.start();
      },
      mariadb: async ({ server }) => {
        await server.stop();
        return () => server.start();
      },
    },
  },
  'a deadlock that a repeated statement never gets over': {
    outcome: 'temporarily-unavailable',
    isRepeatable: true,
    log: {
      postgres: /kept losing races against others \(SQLSTATE 40P01\)/,
      mariadb: /kept losing races against others \(errno 1213\b/,
    },
    // As often as a statement is tried.
    provoke: { postgres: refusing('40P01', 6), mariadb: refusing(1213, 6) },
  },
};

const STATUS: Readonly<Record<Outcome, number>> = {
  'temporarily-unavailable': 503,
  'out-of-service': 503,
  'invalid-configuration': 500,
};

function expectOutcome(answer: Answer, outcome: Cause['outcome']): void {
  if (outcome === 'none') {
    expect(answer.status).toBe(200);
    return;
  }
  const members = outcome === 'temporarily-unavailable' ? { retryAfter: 1 } : {};
  expect(answer).toBeProblem(STATUS[outcome], outcome, members);
  // Neither the server's words nor its code, which name tables, users and hosts.
  expect(answer.text).not.toMatch(/two_factor_confirmation|application@|SQLSTATE|errno|relation/);
}

describe.each(ownServers)('A refusal of $engine', ({ engine, launch }) => {
  const log = new ErrorLog();
  let server: OwnServer;
  let proxy: FaultProxy;
  let http: HttpTestApp;

  beforeAll(async () => {
    server = await launch([]);
    const url = new URL(server.url);
    url.password = 'application';
    proxy = await FaultProxy.before(url.href);
    const database: TestDatabase = {
      engine,
      options: { type: engine, url: proxy.url, poolSize: POOL },
      drop: async () => undefined,
    };
    http = await startHttpApp({
      override: (builder: TestingModuleBuilder) => builder.setLogger(log),
      database,
      options: {
        controller: true,
        databaseTimeoutMs: 10_000,
        // All requests come from one address: the default limits, each request by a requester of its own.
        limits: { requester: () => randomUUID() },
      },
    });
  });
  afterAll(async () => {
    proxy.calm();
    await http.close();
    await proxy.close();
    await server.close();
  });

  let tokens = 0;
  it.each(Object.entries(CAUSES))('is answered and logged by its cause: %s', async (_, cause) => {
    tokens += 1;
    const { id, code } = await http.request({ token: `token-${tokens}@example.com` });
    const confirm = (): Promise<Answer> => http.post('/2factor/confirm', { id, code });
    log.lines.length = 0;

    const { provoke, log: expected } = cause;
    const end = await (provoke[engine] ?? provoke.mariadb)({ server, proxy, http, id });
    expectOutcome(await confirm(), cause.outcome);

    if (cause.outcome !== 'none') {
      expect(log.lines).toHaveLength(1);
      expect(log.lines[0]).toMatch(/^urn:uuid:/);
      expect(log.lines[0]).toMatch(expected![engine] ?? expected!.mariadb);
      expect(log.lines[0]).not.toContain(code);
    }
    if (!cause.isRepeatable) expectOutcome(await confirm(), cause.outcome);
    await end?.();
    // The news of the end of a session may reach its connection after the next call.
    await expect
      .poll(async () => (await confirm()).status)
      .toBe(cause.outcome === 'none' ? 409 : 200);
    expect((await http.row(id)).attempts).toBeLessThanOrEqual(1);
  });
});

describe.each(engines.filter((engine) => engine === 'better-sqlite3'))(
  'A refusal of %s',
  (engine) => {
    const start = (log: ErrorLog): Promise<HttpTestApp> =>
      startHttpApp({
        override: (builder: TestingModuleBuilder) => builder.setLogger(log),
        engine,
        // Requests fill the file: a limit would end that before the file is full.
        options: { controller: true, limits: false },
      });
    const request = (http: HttpTestApp): Promise<Answer> =>
      http.post('/2factor/request-confirmation', { token: 'ann@example.com' });

    it.each([
      [
        'a full disk',
        'out-of-service',
        (pages: number) => `PRAGMA max_page_count = ${pages}`,
        'PRAGMA max_page_count = 1000000',
        /is full \(SQLITE_FULL\).* Cause: database or disk is full/,
      ],
      [
        'a file that accepts no writes',
        'out-of-service',
        () => 'PRAGMA query_only = ON',
        'PRAGMA query_only = OFF',
        /accepts no writes.*\(SQLITE_READONLY\).* Cause: attempt to write a readonly database/,
      ],
      [
        'a missing table',
        'invalid-configuration',
        () => 'ALTER TABLE two_factor_confirmation RENAME TO elsewhere',
        'ALTER TABLE elsewhere RENAME TO two_factor_confirmation',
        /lacks a table.*\(SQLITE_ERROR: no such table/,
      ],
    ] as const)('is answered and logged by its cause: %s', async (_, outcome, sql, undo, words) => {
      const log = new ErrorLog();
      const http = await start(log);
      const [{ page_count: pages } = { page_count: 0 }] = (await http.dataSource.query(
        'PRAGMA page_count',
      )) as { page_count: number }[];
      await http.dataSource.query(sql(pages));
      let answer = await request(http);
      // A page may have room for some rows more.
      for (let more = 0; more < 200 && answer.status === 200; more += 1) {
        await http.confirmer.makeConfirmation({ meta: 'x'.repeat(4_000) }).catch(() => undefined);
        answer = await http.post('/2factor/request-confirmation', {
          token: `t${more}@example.com`,
        });
      }

      expectOutcome(answer, outcome);
      expect(log.lines.at(-1)).toMatch(words);
      await http.dataSource.query(undo);
      const again = await http.post('/2factor/request-confirmation', { token: 'eve@example.com' });
      expect(again.status).toBe(200);
      await http.close();
    });
  },
);

it('docs/errors.md lists for each cause the answer, and whether a repeated call helps', async () => {
  const page = await readFile(
    fileURLToPath(new URL('../../../docs/errors.md', import.meta.url)),
    'utf8',
  );
  const rows = cellsOf(page).filter(([cause = '']) => cause in CAUSES);
  const documented = rows.map(([cause, answer, repeated]) => [cause, answer, repeated]);
  const tested = Object.entries(CAUSES).map(([cause, { outcome, isRepeatable }]) => [
    cause,
    outcome === 'none' ? 'as without it' : `${STATUS[outcome]} ${outcome}`,
    outcome === 'none' ? 'not needed' : isRepeatable ? 'yes' : 'no',
  ]);
  expect(documented).toEqual(tested);
});
