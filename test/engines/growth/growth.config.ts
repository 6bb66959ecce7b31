import { defineConfig } from 'vitest/config';

import base from '../../../vitest.config.js';
import { CountReporter } from '../../support/count-reporter.js';

export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/engines/growth/growth.ts'],
    reporters: ['default', new CountReporter('growth')],
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
