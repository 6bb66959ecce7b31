// Every cause for which a database refuses, how a test brings it about, and what the log says of it.
import { readFile, writeFile } from 'node:fs/promises';

import type { FaultProxy } from '../../support/fault-proxy.js';
import type { HttpTestApp } from '../../support/http.js';
import type { OwnServer } from '../../support/own-servers.js';
import { STATEMENTS } from './behind-proxy.js';

/** MySQL is as MariaDB, where it is not named. */
type Engine = 'postgres' | 'mariadb';
type ByEngine<T> = Readonly<Record<Engine, T> & Partial<Record<'mysql', T>>>;
export type Outcome = 'temporarily-unavailable' | 'out-of-service' | 'invalid-configuration';

interface Stage {
  readonly server: OwnServer;
  readonly proxy: FaultProxy;
  readonly http: HttpTestApp;
  /** The row that the statement of the call is about. */
  readonly id: string;
}

/** Brings the cause about, and returns what ends it. */
type Provocation = (stage: Stage) => Promise<(() => Promise<unknown>) | undefined>;

export interface Cause {
  readonly outcome: Outcome | 'none';
  /** Whether the same call succeeds when it is repeated without any repair in between. */
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

/** A session of an operator holds the row, longer than the server lets a statement take. All other statements must end before that, too. */
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

export const CAUSES: Readonly<Record<string, Cause>> = {
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
        "ALTER ROLE application SET statement_timeout = '3s'",
        'ALTER ROLE application RESET statement_timeout',
      ),
      mariadb: holdingTheRow(
        'SET GLOBAL max_statement_time = 3',
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
