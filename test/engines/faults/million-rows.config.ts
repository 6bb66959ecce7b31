import { defineConfig } from 'vitest/config';

import base from '../../../vitest.config.js';
import { CountReporter } from '../../support/count-reporter.js';

export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/engines/faults/million-rows.ts'],
    reporters: ['default', new CountReporter('purge')],
    testTimeout: 300_000,
  },
});
