import { TwoFactorInputError } from '../../lib/index.js';

/** `null` for what the services refuse to take at all. */
export function unlessMalformed(error: unknown): null {
  if (error instanceof TwoFactorInputError) return null;
  throw error;
}
