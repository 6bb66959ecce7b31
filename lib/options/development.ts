/** The fact that an error message names when something is allowed in development only. */
export const NOT_DEVELOPMENT = 'NODE_ENV is neither "development" nor "test"';

/** Whether `NODE_ENV` is exactly `development` or `test`. Unset counts as production. */
export function isDevelopment(environment: NodeJS.ProcessEnv = environmentOfProcess()): boolean {
  return ['development', 'test'].includes(environment['NODE_ENV'] ?? '');
}

/** Whether problem documents show the reason of a refusal: in development, and not in tests, which then see what clients see. */
export function showsReasons(): boolean {
  return environmentOfProcess()['NODE_ENV'] === 'development';
}

function environmentOfProcess(): NodeJS.ProcessEnv {
  // Bundlers replace the expression `process.env.NODE_ENV` by the value of the build, which is often "development".
  const { env } = process;
  return env;
}
