import { defineConfig } from 'vitest/config';

import base from '../../vitest.config.js';
import { IS_LONG, ON_ALL_SERVERS } from '../rounds.js';
import { CountReporter } from '../support/count-reporter.js';

/** What is promised, once more: without limits, one statement for each call, and statements that TypeORM does not log. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/{engines,hostile,properties}/**/*.spec.ts'],
    exclude: ['test/hostile/fuzz.spec.ts', ...ON_ALL_SERVERS],
    env: {
      TWO_FACTOR_BATCHING: 'false',
      TEST_QUERY_LOGGING: 'false',
      TEST_LIMITS: 'false',
      // MySQL has the statements of MariaDB and sql.js those of better-sqlite3, and `npm test` has all four.
      TEST_WITHOUT: IS_LONG ? '' : 'mysql,sqljs',
      PROPERTY_RUNS: process.env['PROPERTY_RUNS'] ?? '50',
    },
    reporters: ['default', new CountReporter('unbatched')],
  },
});
