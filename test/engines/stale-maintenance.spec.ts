// Behind a read/write splitting proxy whose replica has stopped: what no request waits for, a purge and a rotation of the secret.
import mysql, { type RowDataPacket } from 'mysql2/promise';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import {
  DeliveryService,
  TwoFactorRecipientError,
  type TwoFactorModuleOptions,
} from '../../lib/index.js';
import { enrolApp, factorsOf, METHODS } from '../support/authenticator.js';
import { mysqlServers, openDatabase, type TestDatabase } from '../support/engines.js';
import { ReadSplitter } from '../support/read-splitter.js';
import { secretOf } from '../support/secret.js';
import { SILENT, startApp, type TestApp } from '../support/test-app.js';

const LONG = 30 * 86_400;
const PEOPLE = ['ann', 'ben', 'cem', 'dan', 'eve'];
const [OLD, NEXT] = [secretOf('the old secret'), secretOf('the next secret')];

describe.each(mysqlServers)('Maintenance with a stale replica on %s', (engine) => {
  let database: TestDatabase;
  let splitter: ReadSplitter;
  let tests: TestApp[];

  const start = async (options: TwoFactorModuleOptions): Promise<TestApp> => {
    const test = await startApp({
      database: splitter.through(database),
      dataSource: SILENT,
      options: { methods: METHODS, delivery: 'queued', worker: false, ...options },
    });
    tests.push(test);
    splitter.onReplica.length = 0;
    return test;
  };

  /** As the primary has them. */
  const rowsLeft = async (): Promise<unknown> => {
    const connection = await mysql.createConnection((database.options as { url: string }).url);
    const [rows] = await connection.query<RowDataPacket[]>(
      `SELECT (SELECT COUNT(*) FROM two_factor_confirmation) AS confirmations,
        (SELECT COUNT(*) FROM two_factor_delivery) AS deliveries,
        (SELECT COUNT(*) FROM two_factor_factor WHERE method = 'totp') AS enrolments,
        (SELECT COUNT(*) FROM two_factor_limit) AS limits`,
    );
    await connection.end();
    return { ...rows[0] };
  };

  beforeEach(async () => {
    tests = [];
    database = await openDatabase(engine);
    splitter = await ReadSplitter.before((database.options as { url: string }).url);
  });
  afterEach(async () => {
    for (const test of tests) await test.close();
    await splitter.close();
    await database.drop();
  });

  it('purges what was made since, a batch at a time', async () => {
    const test = await start({});
    await splitter.freeze();
    for (const subject of PEOPLE) {
      await test.twoFactor.request({ subject, purpose: 'login', token: `${subject}@example.com` });
      await factorsOf(test).enrol({ subject, method: 'totp' });
      test.inbox.failNext(new TwoFactorRecipientError('No such mailbox.'));
    }
    await test.app.get(DeliveryService, { strict: false }).sweep();
    expect(await rowsLeft()).toMatchObject({ confirmations: 5, deliveries: 5, enrolments: 5 });
    test.clock.advance(LONG);

    expect(await test.confirmer.purge({ batchSize: 2 })).toBe(PEOPLE.length);

    expect(await rowsLeft()).toEqual({ confirmations: 0, deliveries: 0, enrolments: 0, limits: 0 });
    expect(splitter.onReplica).toEqual([]);
  });

  it('seals factors again that a replica does not have', async () => {
    const before = await start({ secret: OLD });
    await splitter.freeze();
    for (const subject of PEOPLE) await enrolApp(before, subject);
    const after = await start({ secret: undefined, secrets: [NEXT, OLD] });

    expect(await factorsOf(after).reseal({ batchSize: 2 })).toEqual({
      // The app and the ten recovery codes of each person.
      resealed: PEOPLE.length * 11,
      left: {},
      isComplete: true,
    });
    expect(splitter.onReplica).toEqual([]);
  });
});
