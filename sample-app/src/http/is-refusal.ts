import { HttpException } from '@nestjs/common';
import {
  TwoFactorError,
  TwoFactorHttpException,
  TwoFactorUnavailableError,
} from 'nestjs-two-factor';

/**
 * Whether an error tells that nothing was done. A database that did not answer may have committed all the same. A budget of messages that is
 * used up is a 503 too, but it refuses before anything is sent: otherwise an attack on it would use up the codes of honest sessions.
 */
export function isRefusal(error: unknown): boolean {
  // The routes of nestjs-two-factor throw its errors as HTTP exceptions.
  const cause = error instanceof TwoFactorHttpException ? error.cause : error;
  if (cause instanceof TwoFactorUnavailableError) return cause.limit !== null;
  if (error instanceof HttpException) return error.getStatus() < 500;
  return error instanceof TwoFactorError;
}
