import { defineConfig } from 'vitest/config';

import base from '../vitest.config.js';
import { ON_ALL_SERVERS, SLOW_FAULTS } from './rounds.js';
import { CountReporter } from './support/count-reporter.js';

/** The specs of the servers that `npm test` leaves out because of their length, with the default options. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: [...ON_ALL_SERVERS, ...SLOW_FAULTS],
    exclude: [],
    reporters: ['default', new CountReporter('servers')],
  },
});
