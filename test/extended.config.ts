import { defineConfig } from 'vitest/config';

import base from '../vitest.config.js';
import { EXTENDED } from './rounds.js';
import { CountReporter } from './support/count-reporter.js';

/** The specs of minutes each that `npm test` leaves out, with the default options. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: EXTENDED,
    exclude: [],
    testTimeout: 300_000,
    // It speaks the same statements as MariaDB, and `npm test` has it.
    env: { TEST_WITHOUT: 'mysql' },
    reporters: ['default', new CountReporter('extended')],
  },
});
