import type { MigrationInterface } from 'typeorm';

import { ConfirmationRecord } from '../confirmation/index.js';
import { LimitRecord } from '../limits/index.js';
import { CreateTwoFactorConfirmation1763769600000 } from './1763769600000-create-two-factor-confirmation.js';
import { CreateTwoFactorLimit1795392000000 } from './1795392000000-create-two-factor-limit.js';

/**
 * The entities of this package, for a data source without `autoLoadEntities`.
 *
 * @publicApi
 */
export const TWO_FACTOR_ENTITIES: readonly [typeof ConfirmationRecord, typeof LimitRecord] =
  Object.freeze([ConfirmationRecord, LimitRecord]);

/**
 * The migrations of this package, for the option `migrations` of the data source. Tables and columns follow its naming strategy,
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
  CreateTwoFactorLimit1795392000000,
]);
