import {
  Body,
  createParamDecorator,
  Inject,
  UseFilters,
  UseGuards,
  type ExecutionContext,
} from '@nestjs/common';

import {
  ConfirmerService,
  STATE_CODES,
  stateRow,
  type ConfirmationAttempt,
  type ConfirmationState,
} from '../confirmation/index.js';
import { parseCode, parseId } from '../crypto/index.js';
import {
  TwoFactorCodeMismatchError,
  TwoFactorNotFoundError,
  TwoFactorStateError,
} from '../errors/index.js';
import type { ResolvedOptions } from '../options/index.js';
import { TwoFactorService, type TwoFactorRequest } from '../request/index.js';
import { SenderService } from '../delivery/index.js';
import { InjectTwoFactorOptions } from '../two-factor.tokens.js';
import { BodyPipe } from './body.pipe.js';
import type { CallerSubjects } from './caller-subjects.js';
import { CheckAnswer, ConfirmAnswer, RequestConfirmationAnswer } from './dto/answers.dto.js';
import { ConfirmationIdBody, ConfirmBody, RequestConfirmationBody } from './dto/bodies.dto.js';
import { JsonOnlyGuard } from './json-only.guard.js';
import { JsonRoute } from './json-route.decorator.js';
import { NoStoreGuard } from './no-store.guard.js';
import { ApiGroup } from './open-api.js';
import { PurposeService } from './purpose.service.js';
import { RequesterService } from './requester.service.js';
import { TwoFactorExceptionFilter } from './two-factor-exception.filter.js';

/** Injects the context of the call, which the application's resolvers receive. */
const Call = createParamDecorator((_: unknown, context: ExecutionContext) => context);

/** The errors by status, for the OpenAPI document. */
const MALFORMED = {
  400: ['invalid-request'],
  415: ['unsupported-media-type'],
  503: ['temporarily-unavailable'],
};
const UNKNOWN = { 404: ['not-found'] };
const ENDED = {
  409: ['already-confirmed', 'already-used'],
  410: ['expired', 'attempts-exhausted', 'cancelled', 'unknown-secret'],
};
const UNSENT = {
  422: ['recipient-not-allowed'],
  429: ['too-many-requests'],
  503: ['send-failed', 'temporarily-unavailable'],
};

/**
 * The routes over HTTP. Paths and bodies are those of wc-django-2factor, so that its clients keep working. An application gets
 * a subclass, from `createTwoFactorController`.
 */
@ApiGroup('two-factor')
@UseFilters(TwoFactorExceptionFilter)
@UseGuards(NoStoreGuard, JsonOnlyGuard)
export class TwoFactorController {
  constructor(
    @Inject(TwoFactorService) private readonly twoFactor: TwoFactorService,
    @Inject(ConfirmerService) private readonly confirmer: ConfirmerService,
    @Inject(SenderService) private readonly sender: SenderService,
    @Inject(PurposeService) private readonly purposes: PurposeService,
    @Inject(RequesterService) private readonly requesters: RequesterService,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {}

  @JsonRoute('request-confirmation', {
    summary: 'Sends a code',
    body: RequestConfirmationBody,
    answer: RequestConfirmationAnswer,
    refusals: { ...MALFORMED, ...UNSENT, 403: ['no-subject'] },
  })
  async requestConfirmation(
    @Body(new BodyPipe(RequestConfirmationBody)) body: unknown,
    @Call() context: ExecutionContext,
  ): Promise<RequestConfirmationAnswer> {
    const { way, purpose, ...given } = body as RequestConfirmationBody;
    const sender = this.sender.senderFor(purpose, way ?? null);
    const target = await this.purposes.target({ purpose, ...given }, sender.name, context);
    return this.#requested(
      await this.twoFactor.request({
        way: sender.name,
        purpose,
        requester: await this.requesters.requesterOf(context),
        ...target,
      }),
    );
  }

  @JsonRoute('confirm', {
    summary: 'Confirms by the code',
    body: ConfirmBody,
    answer: ConfirmAnswer,
    refusals: {
      ...MALFORMED,
      ...UNKNOWN,
      ...ENDED,
      422: ['code-mismatch'],
      429: ['too-many-requests'],
    },
  })
  async confirm(
    @Body(new BodyPipe(ConfirmBody)) body: unknown,
    @Call() context: ExecutionContext,
  ): Promise<ConfirmAnswer> {
    const { id, code } = body as ConfirmBody;
    parseCode(code);
    const { state, outcome } = await this.#attempt(parseId(id), code, context);
    if (outcome === 'confirmed') return { id, confirmed: true, ...this.#debugCode(state) };
    if (outcome === 'mismatched') throw new TwoFactorCodeMismatchError(state.attemptsLeft);
    throw errorForState(state);
  }

  @JsonRoute('resend', {
    summary: 'Sends the code again',
    body: ConfirmationIdBody,
    answer: RequestConfirmationAnswer,
    refusals: { ...MALFORMED, ...UNKNOWN, ...ENDED, ...UNSENT },
  })
  async resend(
    @Body(new BodyPipe(ConfirmationIdBody)) body: unknown,
    @Call() context: ExecutionContext,
  ): Promise<RequestConfirmationAnswer> {
    const state = await this.#findAccessible((body as ConfirmationIdBody).id, context);
    const requester = await this.requesters.requesterOf(context);
    return this.#requested(await this.twoFactor.resend(state, { requester }, stateRow(state)));
  }

  @JsonRoute('check', {
    summary: 'Tells where a confirmation is in its life',
    body: ConfirmationIdBody,
    answer: CheckAnswer,
    refusals: { ...MALFORMED, ...UNKNOWN },
  })
  async check(
    @Body(new BodyPipe(ConfirmationIdBody)) body: unknown,
    @Call() context: ExecutionContext,
  ): Promise<CheckAnswer> {
    const state = await this.#findAccessible((body as ConfirmationIdBody).id, context);
    const { id, status, attemptsLeft, expiresAt } = state;
    const resendAt = this.twoFactor.resendAt(state);
    return {
      id,
      status,
      attemptsLeft,
      expiresAt: expiresAt.toISOString(),
      resendAt: resendAt.toISOString(),
    };
  }

  /**
   * Where all purposes resolve the caller to the same subject, the statement that compares also checks the access. Otherwise
   * the confirmation is read first.
   */
  async #attempt(
    id: string,
    code: string,
    context: ExecutionContext,
  ): Promise<ConfirmationAttempt> {
    const caller = await this.purposes.callerSubjects(context);
    const subject = caller.common;
    if (subject !== null) return this.confirmer.verify(id, code, { scopedSubject: subject });
    const seen = await this.#accessible(id, caller);
    return this.confirmer.verify(id, code, { seen: stateRow(seen) });
  }

  /** @throws TwoFactorNotFoundError for an unknown confirmation and for that of another subject, without a difference. */
  async #accessible(id: string, caller: CallerSubjects): Promise<ConfirmationState> {
    const [state] = await this.confirmer.check(id);
    if (state === null || !this.purposes.isAccessible(state, caller)) throw errorForState(null);
    return state;
  }

  async #findAccessible(id: string, context: ExecutionContext): Promise<ConfirmationState> {
    const parsed = parseId(id);
    return this.#accessible(parsed, await this.purposes.callerSubjects(context));
  }

  #requested(request: TwoFactorRequest): RequestConfirmationAnswer {
    const { id, attemptsLeft, codeLength, maskedToken, state } = request;
    const times = {
      expiresAt: request.expiresAt.toISOString(),
      resendAt: request.resendAt.toISOString(),
    };
    return { id, ...times, attemptsLeft, codeLength, maskedToken, ...this.#debugCode(state) };
  }

  #debugCode(state: ConfirmationState): { code?: string } {
    const code = this.options.debugCodeResponse ? state.code : null;
    return code === null ? {} : { code };
  }
}

/** The error for a confirmation whose code was not compared. */
function errorForState(state: ConfirmationState | null): Error {
  if (state === null) return new TwoFactorNotFoundError('There is no such confirmation.');
  // The statement found it expired and this state is pending: the clocks of two instances differ.
  const code = state.status === 'pending' ? 'expired' : STATE_CODES[state.status];
  return new TwoFactorStateError(code);
}
