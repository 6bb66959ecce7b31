// A process that runs the migrations at its start, beside others that do the same.
import 'reflect-metadata';

import { once } from 'node:events';

import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule, type TypeOrmModuleOptions } from '@nestjs/typeorm';
import { DataSource, Table, type MigrationInterface, type QueryRunner } from 'typeorm';

import {
  ConfirmerService,
  TWO_FACTOR_ENTITIES,
  TwoFactorModule,
  twoFactorMigrations,
} from '../../../lib/index.js';

const { DATABASE = '', SECRET = '', KIND = '' } = process.env;

async function allArrived(): Promise<void> {
  const go = once(process, 'message');
  process.send!('arrived');
  await go;
}

/** Runs first, so that every process has found the other migrations pending before one of them runs. */
class Barrier1000000000000 implements MigrationInterface {
  name = 'Barrier1000000000000';
  up = allArrived;
  async down(): Promise<void> {}
}

/** The obvious migration. */
class Naive1763769600000 implements MigrationInterface {
  name = 'Naive1763769600000';

  async up(queryRunner: QueryRunner): Promise<void> {
    const columns = [{ name: 'id', type: 'varchar', length: '36', isPrimary: true }];
    await queryRunner.createTable(new Table({ name: 'naive', columns }));
  }

  async down(): Promise<void> {}
}

async function life(confirmer: ConfirmerService): Promise<boolean> {
  const state = await confirmer.makeConfirmation();
  await confirmer.confirm(state.id, state.code!);
  return confirmer.use(state);
}

async function start(): Promise<string> {
  const options = JSON.parse(DATABASE) as TypeOrmModuleOptions;
  if (KIND === 'application') {
    @Module({
      imports: [
        TypeOrmModule.forRoot({
          ...options,
          autoLoadEntities: true,
          migrations: [...twoFactorMigrations],
          migrationsRun: true,
          retryDelay: 200,
        }),
        TwoFactorModule.forRoot({
          secret: SECRET,
          senders: { default: { backend: () => () => undefined } },
          autoPurge: false,
        }),
      ],
    })
    class MigratingModule {}
    await allArrived();
    const app = await NestFactory.createApplicationContext(MigratingModule, { logger: false });
    const isUsed = await life(app.get(ConfirmerService));
    await app.close();
    return isUsed ? 'works' : 'does not work';
  }
  const dataSource = new DataSource({
    ...options,
    entities: [...TWO_FACTOR_ENTITIES],
    migrations: [
      Barrier1000000000000,
      ...(KIND === 'naive' ? [Naive1763769600000] : twoFactorMigrations),
    ],
    migrationsRun: true,
  } as never);
  await dataSource.initialize();
  await dataSource.destroy();
  return 'works';
}

const outcome = await start().catch((error: unknown) => String(error));
process.send!(outcome, () => process.disconnect());
