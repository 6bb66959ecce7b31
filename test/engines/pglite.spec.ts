// PGlite, a PostgreSQL that runs inside of the process, through the driver that its users take for TypeORM. It has one session for all.
import { Logger } from '@nestjs/common';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { PGliteDriver } from 'typeorm-pglite';

import { Capabilities } from '../../lib/database/capabilities.js';
import { DeliveryService } from '../../lib/index.js';
import { enrolApp, factorsOf, METHODS } from '../support/authenticator.js';
import { SILENT, startApp, type TestApp } from '../support/test-app.js';

describe.each([
  ['through TypeORM', {}],
  ['on the driver', SILENT],
] as const)('On PGlite, %s', (_, dataSource) => {
  const warned: string[] = [];
  let test: TestApp;

  beforeAll(async () => {
    vi.spyOn(Logger.prototype, 'warn').mockImplementation((line: unknown) => {
      if (String(line).includes('prepared')) warned.push(String(line));
    });
    const { driver } = new PGliteDriver({ dataDir: 'memory://' });
    test = await startApp({
      database: {
        engine: 'postgres',
        options: { type: 'postgres', driver },
        drop: async () => undefined,
      },
      dataSource,
      options: { methods: METHODS, delivery: 'queued', worker: false },
    });
  });
  afterAll(async () => {
    await test?.close();
    vi.restoreAllMocks();
  });
  beforeEach(() => test.clock.advance(3_600));

  it('a person requests a code, mistypes it, confirms and uses it, with the limits of the defaults', async () => {
    const { twoFactor, confirmer, inbox, app, clock } = test;
    const { state } = await twoFactor.request({ token: 'ann@example.com', subject: 'ann' });
    const { id } = state;
    expect(await app.get(DeliveryService, { strict: false }).sweep()).toBe(1);
    expect((await confirmer.confirm(id, 'WRONGCODE'))[0]!.attemptsLeft).toBe(4);
    clock.advance(31);
    await twoFactor.resend(id);
    expect(await app.get(DeliveryService, { strict: false }).sweep()).toBe(1);
    expect((await confirmer.confirm(id, inbox.lastCode))[1]).toBe(true);
    expect(await confirmer.use(id, { subject: 'ann' })).toBe(true);
    expect(await confirmer.use(id, { subject: 'ann' })).toBe(false);
    expect(await confirmer.erase({ subject: 'ann' })).toBe(1);
  });

  it('an app is enrolled, and each of its codes confirms once', async () => {
    const { subject, app } = await enrolApp(test, 'bob');
    const { confirmer } = test;
    const [first, second] = [
      await confirmer.makeConfirmation({ subject, methods: ['totp'] }),
      await confirmer.makeConfirmation({ subject, methods: ['totp'] }),
    ];
    const response = { method: 'totp', code: app.code() } as const;
    expect((await confirmer.confirm(first.id, response))[1]).toBe(true);
    expect((await confirmer.confirm(second.id, response))[1]).toBe(false);
    expect(await confirmer.use(first, { subject })).toBe(true);
    expect(await factorsOf(test).erase({ subject })).toBe(11);
  });

  it('one of many calls uses a proof, and five of many guesses are compared', async () => {
    const { confirmer } = test;
    const used = await confirmer.makeConfirmation({ isConfirmed: true });
    const uses = await Promise.all(Array.from({ length: 20 }, () => confirmer.use(used)));
    expect(uses.filter(Boolean)).toHaveLength(1);

    const { id, code } = await confirmer.makeConfirmation();
    const guesses = await Promise.all(
      Array.from({ length: 20 }, () => confirmer.confirm(id, 'WRONGCODE').catch(() => [null])),
    );
    expect(guesses.filter(([state]) => state !== null)).not.toHaveLength(0);
    expect((await confirmer.check(id))[0]!.attemptsLeft).toBe(0);
    expect((await confirmer.confirm(id, code!))[1]).toBe(false);
  });

  it('a limit ends the messages of one token', async () => {
    const ask = (): Promise<unknown> => test.twoFactor.request({ token: 'eve@example.com' });
    for (let sent = 0; sent < 5; sent += 1) await ask();
    await expect(ask()).rejects.toMatchObject({ code: 'too-many-requests' });
  });

  it('a transaction that is rolled back gives an attempt of another call back, which is why the docs keep it to tests', async () => {
    const { confirmer, dataSource } = test;
    const { id } = await confirmer.makeConfirmation();
    const runner = dataSource.createQueryRunner();
    await runner.startTransaction();
    expect((await confirmer.confirm(id, 'WRONGCODE'))[0]!.attemptsLeft).toBe(4);
    await runner.rollbackTransaction();
    await runner.release();
    expect((await confirmer.check(id))[0]!.attemptsLeft).toBe(5);
  });

  it('what a transaction of an application has written is kept when a call has a transaction of its own meanwhile', async () => {
    const { dataSource } = test;
    await dataSource.query('CREATE TABLE effect (name text NOT NULL)');
    const runner = dataSource.createQueryRunner();
    await runner.startTransaction();
    await runner.query(`INSERT INTO effect VALUES ('of the application')`);

    expect(await factorsOf(test).forgetDevices({ subject: 'ann' })).toBe(0);

    await runner.commitTransaction();
    await runner.release();
    expect(await dataSource.query('SELECT name FROM effect')).toEqual([
      { name: 'of the application' },
    ]);
    await dataSource.query('DROP TABLE effect');
  });

  it('goes on with text after the driver has refused prepared statements, and says so once', () => {
    expect(Capabilities.forDataSource(test.dataSource).preparedStatements).toBe(false);
    expect(warned).toHaveLength(1);
    expect(warned[0]).toMatch(/refuses prepared/);
  });
});
