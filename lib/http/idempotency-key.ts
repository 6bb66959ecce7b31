import type { ExecutionContext } from '@nestjs/common';

import { TwoFactorInputError } from '../errors/index.js';
import type { HeaderDocument } from './api-route.decorator.js';

/** The header in an OpenAPI document. */
export const IDEMPOTENCY_KEY: HeaderDocument = {
  name: 'Idempotency-Key',
  description: 'Drawn at random for each request. Repeats with the same key send one message.',
  example: '"b7Qx2mVf0Zk9sTn4Lr6hYw"',
};

/** A structured field's string (RFC 9651 3.3.3) of one line without blanks, or the same text without its quotation marks. */
const KEY = /^[\x21\x23-\x5b\x5d-\x7e]{16,128}$/;
const MAX_HEADER_LENGTH = 130;
const RULE =
  'An Idempotency-Key is one text of 16 to 128 printable ASCII characters without blanks, quotation marks and backslashes, ' +
  'in quotation marks or without them.';

/**
 * The key of the header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header); `undefined` for none. Many clients send
 * it without the quotation marks that the draft asks for: both spellings are one key.
 *
 * @throws TwoFactorInputError for anything else, because a client that sends a key relies on it.
 */
export function idempotencyKeyOf(context: ExecutionContext): string | undefined {
  const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, unknown> }>();
  const header = headers['idempotency-key'];
  if (header === undefined) return undefined;
  if (typeof header === 'string' && header.length <= MAX_HEADER_LENGTH) {
    const isQuoted = header.length > 1 && header.startsWith('"') && header.endsWith('"');
    const key = isQuoted ? header.slice(1, -1) : header;
    if (KEY.test(key)) return key;
  }
  throw new TwoFactorInputError(RULE, { detail: RULE });
}
