// An application with one mistake of docs/misconfigurations.md, and the rows of that page.
import { readFile } from 'node:fs/promises';

import { Module, type INestApplication, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { afterEach, expect, vi } from 'vitest';

import {
  TwoFactorError,
  twoFactorMigrations,
  TwoFactorModule,
  TwoFactorService,
  type TwoFactorModuleExtras,
  type TwoFactorModuleOptions,
} from '../../lib/index.js';
import { drawCanaryCode } from '../support/canaries.js';
import { openDatabase, type TestDatabase } from '../support/engines.js';
import { SECRET } from '../support/test-app.js';

export interface Row {
  readonly number: number;
  readonly when: string;
  readonly sentence: string;
}

const page = await readFile(new URL('../../docs/misconfigurations.md', import.meta.url), 'utf8');
export const rows: readonly Row[] = page
  .split('\n')
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .filter((cells) => /^\d+$/.test(cells[1] ?? ''))
  .map(([, number, , when = '', said = '']) => ({
    number: Number(number),
    when,
    sentence: said.replaceAll(/^`|`$/g, ''),
  }));

export const ends: (() => Promise<unknown>)[] = [];

/** Ends what a test has started and faked. Each spec calls this, because a module is evaluated once for all specs of a worker. */
export function endAfterEach(): void {
  afterEach(async () => {
    vi.unstubAllEnvs();
    vi.doUnmock('nodemailer');
    vi.restoreAllMocks();
    for (const end of ends.splice(0).toReversed()) await end();
  });
}

export const email = { backend: () => () => undefined };

export interface Plant {
  readonly options?: TwoFactorModuleOptions & TwoFactorModuleExtras;
  /** What a factory returns, instead of `options`. */
  readonly returned?: object;
  readonly imports?: readonly Type[];
  readonly dataSource?: object;
  readonly isWithoutDataSource?: boolean;
  readonly database?: TestDatabase;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** What the first call asks for. */
  readonly way?: string;
  /** Makes the mistake in another way, and answers what is said. */
  readonly said?: () => Promise<string>;
  /** What stands in angle brackets. */
  readonly words?: RegExp;
}

export async function boot(plant: Plant): Promise<INestApplication> {
  const database = plant.database ?? (await openDatabase('sqljs'));
  for (const [name, value] of Object.entries(plant.environment ?? {})) vi.stubEnv(name, value);
  const options: TwoFactorModuleOptions & TwoFactorModuleExtras = {
    secret: SECRET,
    codeGenerator: drawCanaryCode,
    autoPurge: false,
    defaultSender: 'email',
    senders: { email },
    ...plant.options,
  };
  @Module({
    imports: [
      ...(plant.isWithoutDataSource
        ? []
        : [
            TypeOrmModule.forRoot({
              ...database.options,
              autoLoadEntities: true,
              migrations: [...twoFactorMigrations],
              migrationsRun: true,
              retryAttempts: 0,
              ...plant.dataSource,
            }),
          ]),
      plant.returned
        ? TwoFactorModule.forRootAsync({ useFactory: () => ({ ...options, ...plant.returned }) })
        : TwoFactorModule.forRoot({ controller: true, ...options }),
      ...(plant.imports ?? []),
    ],
  })
  class AppModule {}
  const app = await NestFactory.create(AppModule, { logger: false, abortOnError: false });
  ends.push(() => app.close());
  await app.init();
  return app;
}

export async function errorOf(work: Promise<unknown>): Promise<TwoFactorError> {
  const error: unknown = await work.then(
    () => 'Nothing was thrown.',
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(TwoFactorError);
  return error as TwoFactorError;
}

/** Makes the mistake, and answers what stops the application, where the row says that it is stopped. */
export async function stopped(plant: Plant, { when }: Row): Promise<TwoFactorError> {
  if (when === 'boot') return errorOf(boot(plant));
  expect(when).toBe('first call');
  const app = await boot(plant);
  const { way } = plant;
  return errorOf(app.get(TwoFactorService).request({ token: 'ann@example.com', way }));
}

/** The row's sentence as the application says it; what is in angle brackets must be as the plant says. */
export function assertSaid(message: string, { sentence }: Row, { words }: Plant): void {
  const [before = '', after] = sentence.split(/<[^>]+>/);
  if (after === undefined) {
    expect(message).toBe(sentence);
    return;
  }
  expect(message.slice(0, before.length)).toBe(before);
  expect(message.slice(-after.length)).toBe(after);
  expect(message.slice(before.length, -after.length)).toMatch(words ?? /^$/);
}
