import { defineConfig } from 'vitest/config';

import base from '../../vitest.config.js';
import { CountReporter } from '../support/count-reporter.js';

/**
 * What strangers can make of the module, for others: simulated months of attacks, 10,000 hostile texts at every entry, and
 * 300,000 secrets beside those that can be guessed.
 */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: [
      'test/{strangers,event-loop}/**/*.spec.ts',
      'test/unit/options/secret-strength.spec.ts',
    ],
    exclude: [],
    testTimeout: 300_000,
    reporters: ['default', new CountReporter('strangers')],
  },
});
