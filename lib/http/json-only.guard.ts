import type { CanActivate, ExecutionContext } from '@nestjs/common';

import { problem } from './problem.js';
import { TwoFactorHttpException } from './two-factor-http.exception.js';

const JSON_TYPE = /^application\/json[ \t]*(?:;|$)/i;

type Headers = Readonly<Record<string, string | undefined>>;

/** Whether a request has a body of JSON, parsed or not. */
export function hasJsonBody(headers: Headers): boolean {
  const { 'content-length': length = '0', 'transfer-encoding': encoding } = headers;
  return isJson(headers) && (length !== '0' || encoding !== undefined);
}

function isJson(headers: Headers): boolean {
  return JSON_TYPE.test(headers['content-type'] ?? '');
}

/**
 * Accepts JSON bodies only. The page of another site can post a form without CORS, in the name of its visitor, but cannot set
 * the content type of JSON.
 */
export class JsonOnlyGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<{ readonly headers: Headers }>();
    if (isJson(headers)) return true;
    throw new TwoFactorHttpException(problem('unsupported-media-type'));
  }
}
