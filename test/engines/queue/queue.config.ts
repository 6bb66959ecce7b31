import { defineConfig } from 'vitest/config';

import base from '../../../vitest.config.js';

/** Ten thousand messages on each server, for `npm run test:queue`. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/engines/queue/ten-thousand.ts'],
    exclude: [],
    testTimeout: 3_600_000,
    reporters: ['default'],
  },
});
