import { Inject, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import { describe, expect, it } from 'vitest';

import { ConfirmerService, twoFactorMigrations, TwoFactorModule } from '../../lib/index.js';
import { drawCanaryCode } from '../support/canaries.js';
import { engines, openDatabase } from '../support/engines.js';
import { SECRET, startApp } from '../support/test-app.js';

const OTHER_SECRET = `${SECRET}-of-another-application`;

describe.each(engines)('Several applications on %s', (engine) => {
  it('with different options in one process do not meet', async () => {
    const one = await startApp({ engine, options: { maxAttempts: 1 } });
    const other = await startApp({ engine, options: { maxAttempts: 9, secret: OTHER_SECRET } });

    const ours = await one.confirmer.makeConfirmation();
    const theirs = await other.confirmer.makeConfirmation();

    expect([ours.attemptsLeft, theirs.attemptsLeft]).toEqual([1, 9]);
    expect(await one.confirmer.check(theirs.id)).toEqual([null, false]);
    expect(await other.confirmer.confirm(ours.id, ours.code!)).toEqual([null, false]);
    await one.twoFactor.request({ token: 'ann@example.com' });
    expect(one.outbox.deliveries).toHaveLength(1);
    expect(other.outbox.deliveries).toHaveLength(0);
    await one.close();
    expect((await other.confirmer.confirm(theirs.id, theirs.code!))[1]).toBe(true);
    await other.close();
  });

  it('and two instances on two data sources in one application do not meet', async () => {
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
