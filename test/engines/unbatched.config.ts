import { defineConfig } from 'vitest/config';

import base from '../../vitest.config.js';
import { CountReporter } from '../support/count-reporter.js';

/** What is promised, once more: without limits, one statement for each call, and statements that TypeORM does not log. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/{engines,hostile,properties}/**/*.spec.ts'],
    exclude: ['test/hostile/fuzz.spec.ts'],
    env: {
      TWO_FACTOR_BATCHING: 'false',
      TEST_QUERY_LOGGING: 'false',
      TEST_LIMITS: 'false',
      PROPERTY_RUNS: process.env['PROPERTY_RUNS'] ?? '50',
    },
    reporters: ['default', new CountReporter('unbatched')],
  },
});
