import type { CanActivate, ExecutionContext } from '@nestjs/common';

import { problem } from './problem.js';
import { TwoFactorHttpException } from './two-factor-http.exception.js';

const JSON_TYPE = /^application\/json[ \t]*(?:;|$)/i;

/**
 * Accepts JSON bodies only. The page of another site can post a form without CORS, in the name of its visitor, but cannot set
 * the content type of JSON.
 */
export class JsonOnlyGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { headers } = context
      .switchToHttp()
      .getRequest<{ headers: Record<string, string | undefined> }>();
    if (JSON_TYPE.test(headers['content-type'] ?? '')) return true;
    throw new TwoFactorHttpException(problem('unsupported-media-type'));
  }
}
