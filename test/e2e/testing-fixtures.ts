import { TypeOrmModule } from '@nestjs/typeorm';

import { twoFactorMigrations } from '../../lib/index.js';

export const [ANN, BOB] = ['ann@example.com', 'bob@example.com'];

export const ends: (() => Promise<unknown>)[] = [];

export const database = () =>
  TypeOrmModule.forRoot({
    type: 'sqljs',
    autoLoadEntities: true,
    migrations: [...twoFactorMigrations],
    migrationsRun: true,
    retryAttempts: 0,
  });
