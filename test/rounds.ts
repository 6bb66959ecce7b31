/**
 * Specs that are left out of `npm test` and run by `npm run test:extended`, so that `npm test` takes less than five
 * minutes: simulated months of attacks, 10,000 hostile texts at every entry, random properties, the sample application,
 * and the packed package in a fresh folder.
 */
export const EXTENDED = [
  'test/strangers/**/*.spec.ts',
  'test/event-loop/**/*.spec.ts',
  'test/properties/**/*.spec.ts',
  'test/sample-app/**/*.spec.ts',
  'test/unit/options/secret-strength.spec.ts',
  'test/hostile/fuzz.spec.ts',
  'test/package/published.spec.ts',
  'test/docs/documented.spec.ts',
];
