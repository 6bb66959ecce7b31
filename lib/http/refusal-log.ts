import type { Logger } from '@nestjs/common';

import {
  messageAndCauseOf,
  TwoFactorError,
  TwoFactorNoSubjectError,
  TwoFactorUnknownSecretError,
} from '../errors/index.js';
import { showsReasons } from '../options/index.js';
import type { Problem } from './problem.js';

/** More than the refusals that are between the guard and a filter at one time. */
const MAX_LOGGED_INSTANCES = 1_000;
/**
 * The last problems that were logged, by `instance`. The guard and a filter both report a refusal, and each works without the other.
 * Not by the object: a filter of the application that words a problem anew hands on another one with the same `instance`.
 */
const loggedInstances = new Set<string>();

/**
 * Logs what the response does not contain: the message and its cause. It never contains a code, a secret or a full phone number
 * or address.
 */
export function logRefusal(logger: Logger, problem: Problem, exception: Error): void {
  const { instance, status } = problem;
  if (loggedInstances.has(instance)) return;
  loggedInstances.add(instance);
  const [oldest] = loggedInstances;
  if (loggedInstances.size > MAX_LOGGED_INSTANCES && oldest !== undefined)
    loggedInstances.delete(oldest);
  const error = exception.cause instanceof TwoFactorError ? exception.cause : exception;
  const line = `${instance} ${error.name}: ${messageAndCauseOf(error)}`;
  if (status >= 500) logger.error(line);
  else if (isWarning(error)) logger.warn(line);
  else logger.debug(line);
}

/** The sentences about a caller without a subject that were warnings. There is one for each purpose. */
const warnedMessages = new Set<string>();

function isWarning(error: Error): boolean {
  // No client can cause it: a secret was removed too early, or instances have different ones.
  if (error instanceof TwoFactorUnknownSecretError) return true;
  // In production these are visitors without a session. A developer has more likely forgotten the sign-in, and sees no debug log.
  const isNew = error instanceof TwoFactorNoSubjectError && !warnedMessages.has(error.message);
  if (!isNew || !showsReasons()) return false;
  warnedMessages.add(error.message);
  return true;
}
