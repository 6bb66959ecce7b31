import type { ExecutionContext } from '@nestjs/common';

import { parseId } from '../crypto/index.js';
import { TwoFactorConfirmationRequiredError } from '../errors/index.js';
import { callResolver } from '../options/index.js';

/** The header of an HTTP request that names the proof of the call. */
const ID_HEADER = 'x-confirmation-id';

/**
 * The id of the proof of a call.
 *
 * @param resolve where the id is; absent for the header.
 * @throws TwoFactorConfirmationRequiredError without an id, TwoFactorInputError for a malformed one.
 */
export async function proofIdOf(
  context: ExecutionContext,
  resolve?: (context: ExecutionContext) => unknown,
): Promise<string> {
  const id: unknown = resolve
    ? await callResolver('function confirmationId', () => resolve(context))
    : headerOf(context);
  if (id === undefined || id === null || id === '') {
    throw new TwoFactorConfirmationRequiredError(
      resolve ? 'confirmationId returned none.' : `There is no header ${ID_HEADER}.`,
    );
  }
  return parseId(id);
}

function headerOf(context: ExecutionContext): unknown {
  const { headers } = context
    .switchToHttp()
    .getRequest<{ readonly headers: Readonly<Record<string, unknown>> }>();
  return headers[ID_HEADER];
}
