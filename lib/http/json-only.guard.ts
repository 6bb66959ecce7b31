import type { CanActivate, ExecutionContext } from '@nestjs/common';

import { problem } from './problem.js';
import { TwoFactorHttpException } from './two-factor-http.exception.js';

const JSON_TYPE = /^application\/json[ \t]*(?:;|$)/i;

/** A form posted by another site's page cannot be JSON, and needs no CORS to be sent: only JSON is read. */
export class JsonOnlyGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { headers } = context
      .switchToHttp()
      .getRequest<{ headers: Record<string, string | undefined> }>();
    if (JSON_TYPE.test(headers['content-type'] ?? '')) return true;
    throw new TwoFactorHttpException(problem('unsupported-media-type'));
  }
}
