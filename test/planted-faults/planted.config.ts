import { defineConfig } from 'vitest/config';

import base from '../../vitest.config.js';
import { VerdictReporter } from './verdict-reporter.js';

/** The specs that a run of planted faults names, in one worker, wherever they are otherwise run. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    exclude: [],
    reporters: [new VerdictReporter()],
  },
});
