import type { MigrationInterface } from 'typeorm';

import { TwoFactorConfigurationError } from '../errors/index.js';
import { ConfirmationRecord } from '../confirmation/index.js';
import { LimitRecord } from '../limits/index.js';
import { DeliveryRecord } from '../delivery/index.js';
import { FactorRecord } from '../methods/index.js';
import { CreateTwoFactorConfirmation1763769600000 } from './1763769600000-create-two-factor-confirmation.js';
import { CreateTwoFactorLimit1795392000000 } from './1795392000000-create-two-factor-limit.js';
import { CreateTwoFactorFactor1795478400000 } from './1795478400000-create-two-factor-factor.js';
import { CreateTwoFactorDelivery1795564800000 } from './1795564800000-create-two-factor-delivery.js';

/**
 * The entities of this package, for a data source without `autoLoadEntities`.
 *
 * @publicApi
 */
export const TWO_FACTOR_ENTITIES: readonly [
  typeof ConfirmationRecord,
  typeof LimitRecord,
  typeof FactorRecord,
  typeof DeliveryRecord,
] = Object.freeze([ConfirmationRecord, LimitRecord, FactorRecord, DeliveryRecord]);

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
export const twoFactorMigrations: readonly (new () => MigrationInterface)[] = spreadOnlyList([
  CreateTwoFactorConfirmation1763769600000,
  CreateTwoFactorLimit1795392000000,
  CreateTwoFactorFactor1795478400000,
  CreateTwoFactorDelivery1795564800000,
]);

/**
 * A list that is a function: TypeORM calls `new` on each entry of the option `migrations`, and would report a list among them
 * as "migrationClass is not a constructor".
 */
function spreadOnlyList(migrations: readonly (new () => MigrationInterface)[]): typeof migrations {
  const list = function twoFactorMigrations(): never {
    throw new TwoFactorConfigurationError(
      'The option migrations of the data source has the list twoFactorMigrations as one of its entries: write ' +
        'migrations: [...twoFactorMigrations], with three dots.',
    );
  };
  Object.setPrototypeOf(list, Array.prototype);
  Object.defineProperty(list, 'length', { value: migrations.length });
  Object.defineProperty(list, Symbol.isConcatSpreadable, { value: true });
  return Object.freeze(Object.assign(list, migrations));
}
