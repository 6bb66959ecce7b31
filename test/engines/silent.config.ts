import { defineConfig } from 'vitest/config';

import base from '../../vitest.config.js';
import { CountReporter } from '../support/count-reporter.js';

/** Only there calls go together. */
const POSTGRES = /\bpostgres\b/;

/** What is promised, once more: with calls of all kinds in one transaction, as they go where TypeORM tells nobody. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/{engines,properties}/**/*.spec.ts'],
    testNamePattern: POSTGRES,
    env: { TWO_FACTOR_TOLD: 'false', PROPERTY_ENGINES: 'postgres' },
    reporters: ['default', new CountReporter('silent', POSTGRES)],
  },
});
