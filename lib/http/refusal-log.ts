import type { Logger } from '@nestjs/common';

import { messageAndCauseOf, TwoFactorError, TwoFactorUnknownSecretError } from '../errors/index.js';
import type { Problem } from './problem.js';

/** The problems that are in the log. The guard and a filter both report a refusal, and each works without the other. */
const logged = new WeakSet<Problem>();

/**
 * Logs what the response does not contain: the message and its cause. It never contains a code, a secret or a full phone number
 * or address.
 */
export function logRefusal(logger: Logger, problem: Problem, exception: Error): void {
  if (logged.has(problem)) return;
  logged.add(problem);
  const { instance, status } = problem;
  const error = exception.cause instanceof TwoFactorError ? exception.cause : exception;
  const line = `${instance} ${error.name}: ${messageAndCauseOf(error)}`;
  if (status >= 500) logger.error(line);
  // No client can cause it: a secret was removed too early, or instances have different ones.
  else if (error instanceof TwoFactorUnknownSecretError) logger.warn(line);
  else logger.debug(line);
}
