import { defineConfig } from 'vitest/config';

import base from '../vitest.config.js';
import { EXTENDED, IS_LONG } from './rounds.js';
import { CountReporter } from './support/count-reporter.js';

/** The specs of minutes each that `npm test` leaves out, with the default options. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: EXTENDED,
    exclude: [],
    testTimeout: 300_000,
    // The series of the guides installs and builds an application first.
    hookTimeout: 300_000,
    env: {
      // These specs are about the module and not about its servers, which `npm test` and `npm run test:servers` compare.
      TEST_WITHOUT: IS_LONG ? '' : 'mysql,mariadb',
      PROPERTY_RUNS: process.env['PROPERTY_RUNS'] ?? '50',
    },
    reporters: ['default', new CountReporter('extended')],
  },
});
