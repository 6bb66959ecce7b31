import { defineConfig } from 'vitest/config';

import base from '../../../vitest.config.js';

/** Half an hour of delivered messages on each server, for `npm run test:queue:long`. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/engines/queue/long-run.ts'],
    exclude: [],
    testTimeout: 7_200_000,
    reporters: ['default'],
  },
});
