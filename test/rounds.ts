/**
 * Whether this is the nightly run (`.github/workflows/long.yml`), which tests every engine in every round and with the largest counts.
 * `.ci/run` uses smaller counts where a spec says so, in order to end within half an hour on two cores.
 */
export const IS_LONG = process.env['TEST_LONG'] === 'true';

/** The engines that a round of tests leaves out, by the configuration of that round. */
export const LEFT_OUT: readonly string[] = (process.env['TEST_WITHOUT'] ?? '').split(',');

/**
 * Specs that are left out of `npm test` and run by `npm run test:extended`, so that `npm test` takes less than five
 * minutes: simulated months of attacks, 10,000 hostile texts at every entry, random properties, recipients
 * that never answer, the sample application, planted regular expressions, and the packed package in a fresh folder.
 */
export const EXTENDED = [
  'test/strangers/**/*.spec.ts',
  'test/event-loop/**/*.spec.ts',
  'test/properties/**/*.spec.ts',
  'test/sample-app/**/*.spec.ts',
  'test/unit/options/secret-strength.spec.ts',
  'test/hostile/fuzz.spec.ts',
  'test/e2e/failover-breaker.spec.ts',
  'test/e2e/failover-recipients.spec.ts',
  'test/lint/regular-expressions.spec.ts',
  'test/package/entry-points.spec.ts',
  'test/package/optional-packages.spec.ts',
  'test/package/published.spec.ts',
  'test/package/release.spec.ts',
  'test/docs/deploy-settings.spec.ts',
  'test/docs/documented.spec.ts',
  'test/docs/front-end.spec.ts',
  'test/docs/angular.spec.ts',
  'test/docs/guide-reader.spec.ts',
  'test/docs/guide-series.spec.ts',
];

/**
 * Specs of the servers that take long on each of them, MySQL among them: left out of `npm test` for the same reason, and run by
 * `npm run test:servers`.
 */
export const ON_ALL_SERVERS = [
  'test/engines/charsets.spec.ts',
  'test/engines/pglite.spec.ts',
  'test/engines/joined-writes.spec.ts',
  'test/engines/read-splitter.spec.ts',
  'test/engines/faults/migrations-at-once.spec.ts',
  'test/engines/faults/outages.spec.ts',
  'test/engines/faults/killed-settle.spec.ts',
  'test/engines/faults/killed-settle-on-a-file.spec.ts',
  'test/engines/factor-guesses.spec.ts',
  'test/engines/factor-isolation.spec.ts',
  'test/engines/settle-isolation.spec.ts',
  'test/engines/ended-proof-races.spec.ts',
  'test/engines/factor-processes.spec.ts',
  'test/engines/passkey-attacks.spec.ts',
  'test/engines/bullmq.spec.ts',
  'test/engines/bullmq-classes.spec.ts',
  'test/engines/bullmq-storm.spec.ts',
  'test/engines/queue-of-a-dead-process.spec.ts',
  'test/engines/queue-storm.spec.ts',
  'test/engines/prefix-counts.spec.ts',
  'test/engines/toll-fraud.spec.ts',
  'test/engines/reseal.spec.ts',
];

/**
 * Specs that wait for a server or a sender that does not answer, or for processes that are killed. `npm run test:servers` runs them with the
 * default options instead of `npm test`; `npm run test:unbatched` runs them once more without limits, and every night `npm run test:unlogged` too.
 */
export const SLOW_FAULTS = [
  'test/engines/faults/default-options.spec.ts',
  'test/engines/faults/delays.spec.ts',
  'test/engines/faults/killed-call.spec.ts',
  'test/engines/faults/killed-worker.spec.ts',
  'test/engines/faults/lost-answers.spec.ts',
  'test/engines/faults/lost-answers-of-a-queue.spec.ts',
  'test/engines/faults/refusals.spec.ts',
  'test/engines/faults/refusals-by-cause.spec.ts',
  'test/engines/faults/slow-factors.spec.ts',
  'test/engines/faults/stuck-connections.spec.ts',
  'test/engines/queue-of-slow-senders.spec.ts',
  'test/hostile/h-reliability.spec.ts',
];
