import { HttpException } from '@nestjs/common';
import { TwoFactorError, TwoFactorUnavailableError } from 'nestjs-two-factor';

/** Whether an error tells that nothing was done. A database that did not answer may have committed all the same. */
export function isRefusal(error: unknown): boolean {
  if (error instanceof HttpException) return error.getStatus() < 500;
  return error instanceof TwoFactorError && !(error instanceof TwoFactorUnavailableError);
}
