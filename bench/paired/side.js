// One side of the comparison: a Nest application on the package whose entry it is given.
import { randomBytes, randomInt } from 'node:crypto';
import { pathToFileURL } from 'node:url';

import { cpuMsOf } from '../measure/process-cpu.js';
import { importFromRoot } from '../setup/import-from-root.js';

await importFromRoot('reflect-metadata');
const { Module } = await importFromRoot('@nestjs/common');
const { NestFactory } = await importFromRoot('@nestjs/core');
const { TypeOrmModule } = await importFromRoot('@nestjs/typeorm');
const {
  default: { Client, Connection },
} = await importFromRoot('pg');
const { DataSource } = await importFromRoot('typeorm');

const ADMIN = process.env.TEST_POSTGRES_URL ?? 'postgres://postgres@127.0.0.1:5432/postgres';
const CODE = '271828';
const PLENTY = [{ max: 1_000_000, perSeconds: 60 }];
const RUN = randomBytes(5).toString('hex');

let application;
let confirmer;
let twoFactor;
let people = 0;
let executed = 0;

// Every statement leaves by one of these two methods, prepared or not.
for (const name of ['query', 'bind']) {
  const original = Connection.prototype[name];
  Connection.prototype[name] = function (...args) {
    executed += 1;
    return original.apply(this, args);
  };
}

async function createDatabase(name) {
  const client = new Client(ADMIN);
  await client.connect();
  await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  await client.query(`CREATE DATABASE ${name}`);
  await client.end();
  const url = new URL(ADMIN);
  url.pathname = `/${name}`;
  return url.href;
}

async function open({ name, entry }) {
  const {
    ConfirmerService,
    digits,
    TWO_FACTOR_ENTITIES,
    TwoFactorModule,
    twoFactorMigrations,
    TwoFactorService,
  } = await import(pathToFileURL(entry).href);
  const url = await createDatabase(`two_factor_paired_${name}`);
  const migrated = new DataSource({
    type: 'postgres',
    url,
    entities: [...TWO_FACTOR_ENTITIES],
    migrations: [...twoFactorMigrations],
  });
  await migrated.initialize();
  await migrated.runMigrations();
  await migrated.destroy();
  const draw = digits(6);
  class ApplicationModule {}
  Module({
    imports: [
      TypeOrmModule.forRoot({ type: 'postgres', url, poolSize: 10, autoLoadEntities: true }),
      TwoFactorModule.forRoot({
        secret: randomBytes(32).toString('base64'),
        // Drawn as always, and then a code that the benchmark knows.
        codeGenerator: () => {
          draw();
          return CODE;
        },
        senders: { sms: { backend: () => () => undefined } },
        defaultSender: 'sms',
        // The benchmark sends more than an hour's messages; the quotas are charged all the same.
        limits: { ...(name === 'earlier' ? { sendsPerSender: PLENTY } : {}), sendsInTotal: PLENTY },
      }),
    ],
  })(ApplicationModule);
  application = await NestFactory.createApplicationContext(ApplicationModule, {
    logger: ['fatal', 'error'],
    abortOnError: false,
  });
  confirmer = application.get(ConfirmerService);
  twoFactor = application.get(TwoFactorService);
}

function wrongCode() {
  const code = randomInt(1_000_000).toString().padStart(6, '0');
  return code === CODE ? '000000' : code;
}

async function cycle(afterStep = () => undefined) {
  people += 1;
  const binding = { purpose: 'login', subject: `user-${RUN}-${people}` };
  const { id } = await twoFactor.request({ ...binding, token: `${RUN}-${people}@example.com` });
  afterStep('request');
  if ((await confirmer.confirm(id, wrongCode()))[1]) throw new Error('A wrong code was accepted.');
  afterStep('wrong code');
  if (!(await confirmer.confirm(id, CODE))[1]) throw new Error('The right code was refused.');
  afterStep('right code');
  if (!(await confirmer.use(id, binding))) throw new Error('The proof was refused.');
  afterStep('use');
}

async function measure(callers, seconds) {
  const end = performance.now() + seconds * 1_000;
  const startedAt = performance.now();
  let cycles = 0;
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (performance.now() < end) {
        await cycle();
        cycles += 1;
      }
    }),
  );
  return cycles / ((performance.now() - startedAt) / 1_000);
}

async function connectionPids() {
  const sql = 'SELECT pid FROM pg_stat_activity WHERE datname = current_database()';
  const rows = await application.get(DataSource).query(sql);
  return rows.map(({ pid }) => pid);
}

/** CPU time of the server for one first request of a person, in microseconds. */
async function requestCpu(callers, requests) {
  const request = () => {
    people += 1;
    const subject = `user-${RUN}-${people}`;
    const token = `${RUN}-${people}@example.com`;
    return twoFactor.request({ purpose: 'login', subject, token });
  };
  // Opens all connections of the pool, and prepares the statements on each.
  for (let call = 0; call < 20; call += 1) {
    await Promise.all(Array.from({ length: callers }, request));
  }
  const pids = await connectionPids();
  const before = cpuMsOf(pids);
  let left = requests;
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (left > 0) {
        left -= 1;
        await request();
      }
    }),
  );
  const used = cpuMsOf(pids) - before;
  // The pool has replaced a connection, whose process no longer tells its time.
  const now = new Set(await connectionPids());
  if (!pids.every((pid) => now.has(pid))) return requestCpu(callers, requests);
  return (used * 1_000) / requests;
}

async function statements() {
  const counts = {};
  let before = executed;
  await cycle((step) => {
    counts[step] = executed - before;
    before = executed;
  });
  return counts;
}

const methods = { open, measure, requestCpu, statements, close: () => application?.close() };

async function answer({ call, method, args }) {
  try {
    process.send({ call, result: await methods[method](...args) });
  } catch (error) {
    process.send({ call, error: { message: error.message, stack: error.stack } });
  }
}

process.on('message', (message) => {
  void answer(message);
});
