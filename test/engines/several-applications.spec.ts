import { Inject, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import { describe, expect, it } from 'vitest';

import {
  ConfirmerService,
  LimitService,
  TwoFactorTooManyRequestsError,
  TwoFactorUnknownSecretError,
  twoFactorMigrations,
  TwoFactorModule,
} from '../../lib/index.js';
import { drawCanaryCode, WRONG_CODE } from '../support/canaries.js';
import { engines, openDatabase } from '../support/engines.js';
import { SECRET, startApp } from '../support/test-app.js';

const OTHER_SECRET = `${SECRET}-of-another-application`;

// An in-memory database cannot be opened by a second application.
describe.each(engines.filter((engine) => engine !== 'sqljs'))(
  'Applications with one secret and one table on %s',
  (engine) => {
    const TOKEN = 'ann@example.com';
    const limits = { sendsPerToken: [{ max: 2, perSeconds: 3_600 }] };

    it('cannot access the confirmations of the other when their names differ', async () => {
      const one = await startApp({ engine, options: { application: 'shop' } });
      const { database } = one;
      const others = [
        await startApp({ engine, database, options: { application: 'bank' } }),
        await startApp({ engine, database }),
      ];
      for (const other of others) {
        for (const [ours, theirs] of [
          [one, other],
          [other, one],
        ] as const) {
          const { id, state } = await ours.twoFactor.request({ token: TOKEN });
          const proof = await ours.confirmer.makeConfirmation({ isConfirmed: true });

          await expect(theirs.confirmer.confirm(id, state.code!)).rejects.toBeInstanceOf(
            TwoFactorUnknownSecretError,
          );
          expect((await theirs.confirmer.check(proof.id))[1]).toBe(false);
          const [seen] = await theirs.confirmer.check(id);
          expect(() => seen?.code).toThrow(TwoFactorUnknownSecretError);
          expect(() => seen?.token).toThrow(TwoFactorUnknownSecretError);
          expect(await theirs.confirmer.use(proof.id)).toBe(false);
          ours.clock.advance(30);
          theirs.clock.advance(30);
          await expect(theirs.twoFactor.resend(id)).rejects.toBeInstanceOf(
            TwoFactorUnknownSecretError,
          );
          expect((await ours.confirmer.confirm(id, state.code!))[1]).toBe(true);
          expect(await ours.confirmer.use(id)).toBe(true);
          expect(await ours.confirmer.use(proof.id)).toBe(true);
        }
      }
      for (const other of others) await other.close();
      await one.close();
    });

    it('count no messages and no failures of the other when their names differ', async () => {
      const one = await startApp({ engine, options: { application: 'shop', limits } });
      const { database } = one;
      const other = await startApp({
        engine,
        database,
        options: { application: 'bank', limits },
      });
      for (let time = 0; time < 2; time += 1) await one.twoFactor.request({ token: TOKEN });
      await expect(one.twoFactor.request({ token: TOKEN })).rejects.toBeInstanceOf(
        TwoFactorTooManyRequestsError,
      );

      const asked = other.twoFactor.request({ token: TOKEN });
      await expect(asked).resolves.toHaveProperty('id');
      const { id } = await asked;
      for (let time = 0; time < 3; time += 1) await other.confirmer.confirm(id, WRONG_CODE);
      const failures = ({ app }: typeof one): Promise<unknown> =>
        app.get(LimitService, { strict: false }).failures({ token: TOKEN });
      expect(await failures(one)).toMatchObject({ count: 0 });
      expect(await failures(other)).toMatchObject({ count: 3 });
      await other.close();
      await one.close();
    });

    it('share all of it when their names are the same', async () => {
      const options = { application: 'shop', limits };
      const one = await startApp({ engine, options });
      const other = await startApp({ engine, database: one.database, options });
      const { id, state } = await one.twoFactor.request({ token: TOKEN });
      expect((await other.confirmer.confirm(id, state.code!))[1]).toBe(true);
      expect(await one.confirmer.use(id)).toBe(true);
      await other.twoFactor.request({ token: TOKEN });
      await expect(one.twoFactor.request({ token: TOKEN })).rejects.toBeInstanceOf(
        TwoFactorTooManyRequestsError,
      );
      await other.close();
      await one.close();
    });
  },
);

describe.each(engines)('Several applications on %s', (engine) => {
  it('with different options in one process share neither options nor confirmations', async () => {
    const one = await startApp({ engine, options: { maxAttempts: 1 } });
    const other = await startApp({ engine, options: { maxAttempts: 9, secret: OTHER_SECRET } });

    const ours = await one.confirmer.makeConfirmation();
    const theirs = await other.confirmer.makeConfirmation();

    expect([ours.attemptsLeft, theirs.attemptsLeft]).toEqual([1, 9]);
    expect(await one.confirmer.check(theirs.id)).toEqual([null, false]);
    expect(await other.confirmer.confirm(ours.id, ours.code!)).toEqual([null, false]);
    await one.twoFactor.request({ token: 'ann@example.com' });
    expect(one.inbox.deliveries).toHaveLength(1);
    expect(other.inbox.deliveries).toHaveLength(0);
    await one.close();
    expect((await other.confirmer.confirm(theirs.id, theirs.code!))[1]).toBe(true);
    await other.close();
  });

  it('share nothing when they are two instances on two data sources of one application', async () => {
    const databases = await Promise.all([openDatabase(engine), openDatabase(engine)]);
    const [first, second] = databases;
    const dataSource = (name: string, { options }: typeof first) =>
      TypeOrmModule.forRoot({
        ...options,
        name,
        autoLoadEntities: true,
        migrations: [...twoFactorMigrations],
        migrationsRun: true,
      });
    const twoFactor = (name: string, maxAttempts: number) =>
      TwoFactorModule.forRoot({
        secret: SECRET,
        isGlobal: false,
        dataSource: name,
        maxAttempts,
        codeGenerator: drawCanaryCode,
        autoPurge: false,
      });

    class Holder {
      constructor(@Inject(ConfirmerService) readonly confirmer: ConfirmerService) {}
    }
    class StaffHolder extends Holder {}
    class CustomerHolder extends Holder {}
    @Module({ imports: [twoFactor('staff', 2)], providers: [StaffHolder] })
    class StaffModule {}
    @Module({ imports: [twoFactor('customers', 7)], providers: [CustomerHolder] })
    class CustomerModule {}

    const module = await Test.createTestingModule({
      imports: [
        dataSource('staff', first),
        dataSource('customers', second),
        StaffModule,
        CustomerModule,
      ],
    }).compile();
    await module.init();
    const staff = module.get(StaffHolder, { strict: false }).confirmer;
    const customers = module.get(CustomerHolder, { strict: false }).confirmer;

    const forStaff = await staff.makeConfirmation();
    const forCustomers = await customers.makeConfirmation();

    expect([forStaff.attemptsLeft, forCustomers.attemptsLeft]).toEqual([2, 7]);
    expect(await staff.check(forCustomers.id)).toEqual([null, false]);
    expect(await customers.check(forStaff.id)).toEqual([null, false]);
    expect((await staff.confirm(forStaff.id, forStaff.code!))[1]).toBe(true);
    expect(await customers.use(forStaff)).toBe(false);
    expect(await staff.use(forStaff)).toBe(true);
    await module.close();
    await Promise.all(databases.map((database) => database.drop()));
  });
});
