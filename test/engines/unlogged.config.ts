import { defineConfig } from 'vitest/config';

import base from '../../vitest.config.js';
import { IS_LONG, ON_ALL_SERVERS, SLOW_FAULTS } from '../rounds.js';
import { CountReporter } from '../support/count-reporter.js';

/** Only there calls go together. */
const POSTGRES = /\bpostgres\b/;

/**
 * What is promised, once more: without limits, and with calls of all kinds in one transaction, as they are sent where
 * TypeORM does not log. With limits most statements share no transaction with others.
 */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/{engines,properties}/**/*.spec.ts'],
    // `npm run test:servers` runs these with batching, and `npm run test:unbatched` without limits.
    exclude: IS_LONG ? ON_ALL_SERVERS : [...ON_ALL_SERVERS, ...SLOW_FAULTS],
    testNamePattern: POSTGRES,
    env: {
      TEST_QUERY_LOGGING: 'false',
      TEST_LIMITS: 'false',
      PROPERTY_ENGINES: 'postgres',
      PROPERTY_RUNS: process.env['PROPERTY_RUNS'] ?? '50',
    },
    reporters: ['default', new CountReporter('unlogged', POSTGRES)],
  },
});
