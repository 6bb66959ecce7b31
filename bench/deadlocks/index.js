// 64 callers on 64 connections, who share eight tokens and eight subjects, with the default limits: how often do statements deadlock,
// and is any outcome wrong? After `npm run bench` has installed the package here:
//   node bench/deadlocks/index.js mysql://root@127.0.0.1:3306/ 60
// It makes a database of its own on that server and drops it.
import 'reflect-metadata';
import { randomBytes } from 'node:crypto';

import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import mysql, { Connection } from 'mysql2';
import {
  ConfirmerService,
  LimitService,
  twoFactorMigrations,
  TwoFactorModule,
  TwoFactorService,
} from 'nestjs-two-factor';

import { drawKnownCode } from '../contenders/ours.js';
import { CODE, wrongCode } from '../measure/cycle.js';

const CALLERS = 64;
const SHARED = 8;
/** A deadlock, a lock that was waited for too long, and a row that changed under a snapshot (MariaDB). */
const LOST_RACES = { 1213: 'deadlocks', 1205: 'lock waits', 1020: 'changed snapshots' };

const [server = 'mysql://root@127.0.0.1:3306/', seconds = '60'] = process.argv.slice(2);
const counts = { statements: 0, deadlocks: 0, 'lock waits': 0, 'changed snapshots': 0 };
const outcomes = {
  cycles: 0,
  'right code': 0,
  'wrong code': 0,
  used: 0,
  refused: 0,
  unavailable: 0,
  reset: 0,
};
const wrong = [];

for (const method of ['query', 'execute']) count(method);

function count(method) {
  const original = Connection.prototype[method];
  Connection.prototype[method] = function (sql, values, callback) {
    const [given, done] = typeof values === 'function' ? [undefined, values] : [values, callback];
    if (done === undefined) return original.call(this, sql, given);
    counts.statements += 1;
    return original.call(this, sql, given, (error, ...rest) => {
      if (error && LOST_RACES[error.errno]) counts[LOST_RACES[error.errno]] += 1;
      done(error, ...rest);
    });
  };
}

const name = `two_factor_deadlocks_${randomBytes(4).toString('hex')}`;
const url = new URL(server);
const admin = mysql.createConnection(url.href).promise();
await admin.query(`CREATE DATABASE ${name}`);
const [[{ version }]] = await admin.query('SELECT version() AS version');
url.pathname = name;

class ApplicationModule {}
Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'mariadb',
      url: url.href,
      poolSize: CALLERS,
      autoLoadEntities: true,
      migrations: [...twoFactorMigrations],
      migrationsRun: true,
      retryAttempts: 0,
    }),
    TwoFactorModule.forRoot({
      secret: randomBytes(32).toString('base64'),
      codeGenerator: drawKnownCode,
      autoPurge: false,
      purposes: { pay: { open: true } },
      senders: { default: { backend: () => () => undefined } },
    }),
  ],
})(ApplicationModule);
const application = await NestFactory.createApplicationContext(ApplicationModule, {
  logger: ['fatal'],
  abortOnError: false,
});
const confirmer = application.get(ConfirmerService);
const limits = application.get(LimitService);
const requests = application.get(TwoFactorService);

const one = (kind) => `${kind}-${Math.floor(Math.random() * SHARED)}`;
const until = Date.now() + Number(seconds) * 1_000;

/** Answers `undefined` for a refusal of a limit, or of a server that did not answer in time. */
async function allowed(call) {
  try {
    return await call();
  } catch (error) {
    if (error.code === 'too-many-requests') outcomes.refused += 1;
    else if (error.code === 'temporarily-unavailable') outcomes.unavailable += 1;
    else if (!['expired', 'attempts-exhausted', 'cancelled'].includes(error.code)) {
      wrong.push(`${error.name}: ${error.message}`);
    }
    return undefined;
  }
}

async function cycle() {
  const subject = one('user');
  const token = `${one('box')}@example.com`;
  outcomes.cycles += 1;
  if (Math.random() < 0.1) {
    await allowed(() => limits.reset({ subject, token }));
    await allowed(() => limits.reset({ token }));
    outcomes.reset += 1;
  }
  if (Math.random() < 0.3) await allowed(() => requests.request({ token, purpose: 'pay' }));
  const made = await allowed(() => confirmer.makeConfirmation({ purpose: 'pay', subject, token }));
  if (made === undefined) return;
  const { id } = made;
  const guesses = await Promise.all(
    [wrongCode(), CODE, CODE].map((code) =>
      allowed(async () => [code, (await confirmer.confirm(id, code))[1]]),
    ),
  );
  const right = guesses.filter((guess) => guess?.[1] === true);
  if (right.some(([code]) => code !== CODE)) wrong.push('a wrong code was accepted');
  outcomes['right code'] += right.length;
  outcomes['wrong code'] += guesses.filter((guess) => guess?.[1] === false).length;
  if (right.length > 1) wrong.push('two calls confirmed one confirmation');
  const uses = await Promise.all(
    [1, 2].map(() => allowed(() => confirmer.use(id, { purpose: 'pay', subject }))),
  );
  const used = uses.filter((each) => each === true).length;
  outcomes.used += used;
  if (used > right.length) wrong.push(`${used} uses after ${right.length} confirmations`);
  // The place among the pending ones is free again, whatever came of it.
  await allowed(() => confirmer.cancel(id));
}

await Promise.all(
  Array.from({ length: CALLERS }, async () => {
    while (Date.now() < until) await cycle();
  }),
);
await application.close();
await admin.query(`DROP DATABASE ${name}`);
await admin.end();
process.stdout.write(`${version}, ${seconds} s: ${JSON.stringify({ ...counts, ...outcomes })}\n`);
process.stdout.write(`wrong outcomes: ${wrong.length} ${JSON.stringify([...new Set(wrong)])}\n`);
if (wrong.length > 0) process.exitCode = 1;
