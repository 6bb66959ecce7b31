import { fileURLToPath } from 'node:url';

import { defineConfig } from 'vitest/config';

import { EXTENDED, ON_ALL_SERVERS, SLOW_FAULTS } from './test/rounds.js';
import SomeTestRan from './test/support/some-test-ran.js';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

export default defineConfig({
  resolve: {
    alias: [
      {
        find: 'nestjs-two-factor/backends/email',
        replacement: path('./lib/backends/email/index.ts'),
      },
      {
        find: /^nestjs-two-factor\/(aws-sns|failover|telegram|twilio|webhook)$/,
        replacement: path('./lib/backends/$1/index.ts'),
      },
      {
        find: /^nestjs-two-factor\/(bullmq|event-emitter|opentelemetry|phone|rate-limiter-flexible|terminus)$/,
        replacement: path('./lib/adapters/$1/index.ts'),
      },
      {
        find: 'nestjs-two-factor/passkeys',
        replacement: path('./lib/methods/passkey/index.ts'),
      },
      {
        find: /^nestjs-two-factor\/client$/,
        replacement: path('./lib/client/index.ts'),
      },
      {
        find: /^nestjs-two-factor\/client\/(element|texts)$/,
        replacement: path('./lib/client/$1/index.ts'),
      },
      { find: 'nestjs-two-factor/testing', replacement: path('./lib/testing/index.ts') },
      { find: /^nestjs-two-factor$/, replacement: path('./lib/index.ts') },
    ],
  },
  test: {
    include: ['test/**/*.spec.ts'],
    exclude: [...EXTENDED, ...ON_ALL_SERVERS, ...SLOW_FAULTS],
    globalSetup: ['test/support/global-setup.ts'],
    setupFiles: ['test/support/setup.ts'],
    // A file about servers has no tests where there is none, and global-setup says so; CI names those it wants. `SomeTestRan` fails a
    // run without any test.
    passWithNoTests: process.env['TEST_REQUIRED_ENGINES'] === undefined,
    isolate: false,
    // More than the two cores of the smallest runner: a test waits for its servers half of the time.
    maxWorkers: 3,
    // Far more than any test needs, because no test may depend on the speed of the machine.
    testTimeout: 120_000,
    hookTimeout: 180_000,
    // As long as an event may need on a busy machine. The default of one second is a measurement of time.
    expect: { poll: { timeout: 60_000 } },
    reporters: ['default', 'json', new SomeTestRan()],
    outputFile: { json: '.tmp/vitest.json' },
    coverage: {
      provider: 'v8',
      include: ['lib/**/*.ts'],
      // `npm run test:pages` runs the element in Chromium, whose coverage is not collected.
      exclude: ['lib/**/index.ts', 'lib/**/*.interface.ts', 'lib/client/element/**'],
      reporter: ['text-summary', 'json-summary'],
      reportsDirectory: 'coverage',
      thresholds: { lines: 95 },
    },
  },
});
