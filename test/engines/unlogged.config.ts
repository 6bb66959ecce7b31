import { defineConfig } from 'vitest/config';

import base from '../../vitest.config.js';
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
    exclude: [],
    testNamePattern: POSTGRES,
    env: { TEST_QUERY_LOGGING: 'false', TEST_LIMITS: 'false', PROPERTY_ENGINES: 'postgres' },
    reporters: ['default', new CountReporter('unlogged', POSTGRES)],
  },
});
