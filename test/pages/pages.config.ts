import { defineConfig } from 'vitest/config';

import base from '../../vitest.config.js';
import { CountReporter } from '../support/count-reporter.js';

export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/pages/sample-pages.ts', 'test/pages/*-in-chromium.ts'],
    reporters: ['default', new CountReporter('pages')],
  },
});
