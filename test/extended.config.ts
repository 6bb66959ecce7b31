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
    // MySQL has the statements of MariaDB, and `npm test` has both.
    env: { TEST_WITHOUT: IS_LONG ? '' : 'mysql' },
    reporters: ['default', new CountReporter('extended')],
  },
});
