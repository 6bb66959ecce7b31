import {
  BadRequestException,
  Body,
  Catch,
  Controller,
  HttpCode,
  Logger,
  Post,
  Res,
  UseFilters,
  type ArgumentsHost,
  type INestApplication,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import {
  RequireConfirmation,
  TwoFactorCodeMismatchError,
  TwoFactorConfigurationError,
  TwoFactorConfirmationRequiredError,
  TwoFactorConfirmationUsedError,
  TwoFactorConflictError,
  TwoFactorError,
  TwoFactorExceptionFilter,
  TwoFactorHttpException,
  TwoFactorInputError,
  TwoFactorKeyReusedError,
  TwoFactorNoSubjectError,
  TwoFactorNotFoundError,
  TwoFactorRecipientError,
  TwoFactorSendError,
  TwoFactorStateError,
  TwoFactorTooManyRequestsError,
  TwoFactorUnavailableError,
  TwoFactorUnknownSecretError,
} from '../../lib/index.js';
import { adapters, startHttpApp, type HttpTestApp } from '../support/http.js';
import { UNKNOWN_ID } from '../support/unknown-id.js';

/** What an application's own route may throw. */
const ERRORS: Readonly<Record<string, readonly [Error, number, string, object?]>> = {
  input: [new TwoFactorInputError('TYPEDCODE'), 400, 'invalid-request'],
  'no-subject': [new TwoFactorNoSubjectError('TYPEDCODE'), 403, 'no-subject'],
  required: [new TwoFactorConfirmationRequiredError('TYPEDCODE'), 403, 'confirmation-required'],
  'not-found': [new TwoFactorNotFoundError('TYPEDCODE'), 404, 'not-found'],
  'already-confirmed': [new TwoFactorStateError('already-confirmed'), 409, 'already-confirmed'],
  'already-used': [new TwoFactorStateError('already-used'), 409, 'already-used'],
  used: [new TwoFactorConfirmationUsedError('TYPEDCODE'), 409, 'confirmation-used'],
  conflict: [new TwoFactorConflictError('TYPEDCODE'), 409, 'conflict'],
  expired: [new TwoFactorStateError('expired'), 410, 'expired'],
  exhausted: [new TwoFactorStateError('attempts-exhausted'), 410, 'attempts-exhausted'],
  cancelled: [new TwoFactorStateError('cancelled'), 410, 'cancelled'],
  'unknown-secret': [new TwoFactorUnknownSecretError('TYPEDCODE'), 410, 'unknown-secret'],
  mismatch: [new TwoFactorCodeMismatchError(3), 422, 'code-mismatch', { attemptsLeft: 3 }],
  'key-reused': [new TwoFactorKeyReusedError('TYPEDCODE'), 422, 'idempotency-key-reused'],
  recipient: [new TwoFactorRecipientError('TYPEDCODE'), 422, 'recipient-not-allowed'],
  'too-many': [
    new TwoFactorTooManyRequestsError('TYPEDCODE', 17, 'cooldown'),
    429,
    'too-many-requests',
    { retryAfter: 17 },
  ],
  'too-many-ever': [
    new TwoFactorTooManyRequestsError('TYPEDCODE', null, 'max-sends'),
    429,
    'too-many-requests',
  ],
  configuration: [new TwoFactorConfigurationError('Set it up.'), 500, 'invalid-configuration'],
  unavailable: [
    new TwoFactorUnavailableError('TYPEDCODE'),
    503,
    'temporarily-unavailable',
    { retryAfter: 1 },
  ],
  'out of service': [
    new TwoFactorUnavailableError('TYPEDCODE', { retryAfterSeconds: null }),
    503,
    'out-of-service',
  ],
  send: [
    new TwoFactorSendError('Not sent.', UNKNOWN_ID, new Date('2001-01-01T00:00:00Z')),
    503,
    'send-failed',
    { id: UNKNOWN_ID, resendAt: '2001-01-01T00:00:00.000Z', retryAfter: 1 },
  ],
};

@Controller('own')
@UseFilters(TwoFactorExceptionFilter)
class OwnController {
  @Post('throw')
  throw(@Body() { which }: { which: string }): never {
    throw ERRORS[which]?.[0] ?? new BadRequestException('mine');
  }

  @Post('answered')
  @HttpCode(200)
  answered(@Res() response: { send(text: string): unknown }): never {
    response.send('answered');
    throw new TwoFactorInputError('too late');
  }
}

/** Words problems for people, as a product does. */
@Catch(TwoFactorHttpException)
class WordingFilter extends TwoFactorExceptionFilter {
  override catch({ problem, cause }: TwoFactorHttpException, host: ArgumentsHost): unknown {
    const worded = { ...problem, title: 'Please ask for a code.' };
    // oxlint-disable-next-line promise/valid-params -- It is the method of the filter.
    return super.catch(new TwoFactorHttpException(worded, cause as TwoFactorError), host);
  }
}

@Controller('guarded')
@UseFilters(WordingFilter)
class GuardedController {
  @Post()
  @RequireConfirmation('pay')
  post(): void {}
}

describe.each(adapters)(
  'An error of a route under TwoFactorExceptionFilter on $name',
  ({ create }) => {
    let app: HttpTestApp;

    beforeAll(async () => {
      app = await startHttpApp({ adapter: create(), controllers: [OwnController] });
    });
    afterAll(() => app.close());

    it.each(Object.entries(ERRORS))(
      'answers the error "%s" as a problem, without its message',
      async (which, [error, status, slug, members]) => {
        expect((error as TwoFactorError).code).toBe(slug);
        const answer = await app.post('/own/throw', { which });
        expect(answer).toBeProblem(status, slug, { ...members });
        expect(answer.text).not.toContain('TYPEDCODE');
      },
    );

    it('leaves other errors to the application', async () => {
      const answer = await app.post('/own/throw', { which: 'other' });
      expect(answer).toMatchObject({ status: 400, body: { message: 'mine' } });
    });

    it('adds nothing to a response that was already sent', async () => {
      expect(await app.post('/own/answered', {})).toMatchObject({ status: 200, text: 'answered' });
    });

    it('logs a refusal of the guard once, when a filter of the application words it anew', async () => {
      const guarded = await startHttpApp({
        adapter: create(),
        controllers: [GuardedController],
        options: { purposes: { pay: { subject: () => 'ann', recipient: () => 'a@example.com' } } },
      });
      const debug = vi.spyOn(Logger.prototype, 'debug');
      try {
        const answers = [await guarded.post('/guarded', {}), await guarded.post('/guarded', {})];
        const lines = debug.mock.calls.map(([line]) => String(line));
        for (const { status, body } of answers) {
          expect({ status, body }).toMatchObject({
            status: 403,
            body: { title: 'Please ask for a code.' },
          });
          const { instance } = body as { instance: string };
          expect(lines.filter((line) => line.startsWith(instance))).toHaveLength(1);
        }
      } finally {
        debug.mockRestore();
        await guarded.close();
      }
    });

    it('works when the application constructs it as a global filter', async () => {
      @Controller('bare')
      class BareController {
        @Post()
        post(): never {
          throw new TwoFactorSendError('Not sent.', UNKNOWN_ID, new Date(Date.now() + 60_000));
        }
      }
      const bare = await startHttpApp({
        adapter: create(),
        controllers: [BareController],
        configure: (each: INestApplication) =>
          each.useGlobalFilters(new TwoFactorExceptionFilter(each.get(HttpAdapterHost))),
      });
      try {
        const answer = await bare.post('/bare', {});
        expect(answer).toMatchObject({ status: 503, body: { error: 'send-failed' } });
        expect(Number(answer.headers['retry-after'])).toBeGreaterThan(50);
      } finally {
        await bare.close();
      }
    });
  },
);
