import { defineConfig } from 'vitest/config';

import base from '../../vitest.config.js';
import { VerdictReporter } from './verdict-reporter.js';

/** The specs that a run of planted faults names, in one worker, wherever they are otherwise run. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    // Chromium shows the mails, whose specs are in no other round than that of the pages.
    include: [...base.test!.include!, 'test/pages/*-in-chromium.ts'],
    exclude: [],
    reporters: [new VerdictReporter()],
  },
});
