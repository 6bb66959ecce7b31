import type { MigrationInterface } from 'typeorm';

import { ConfirmationRecord } from '../confirmation/index.js';
import { CreateTwoFactorConfirmation1763769600000 } from './1763769600000-create-two-factor-confirmation.js';

/**
 * The entities of this package, for a data source without `autoLoadEntities`.
 *
 * @publicApi
 */
export const TWO_FACTOR_ENTITIES: readonly [typeof ConfirmationRecord] = Object.freeze([
  ConfirmationRecord,
]);

/**
 * The migrations of this package, for the `migrations` of the data source. Their names follow its naming strategy,
 * schema and entity prefix.
 *
 * @example
 * ```ts
 * TypeOrmModule.forRoot({ ..., autoLoadEntities: true, migrations: [...twoFactorMigrations], migrationsRun: true })
 * ```
 * @publicApi
 */
export const twoFactorMigrations: readonly (new () => MigrationInterface)[] = Object.freeze([
  CreateTwoFactorConfirmation1763769600000,
]);
