import {
  Body,
  createParamDecorator,
  Header,
  HttpCode,
  Inject,
  Post,
  UseFilters,
  UseGuards,
  type ExecutionContext,
} from '@nestjs/common';

import {
  ConfirmerService,
  STATE_CODES,
  type ConfirmationState,
  type JsonValue,
} from '../confirmation/index.js';
import { parseCode, parseId } from '../crypto/index.js';
import {
  TwoFactorCodeMismatchError,
  TwoFactorNotFoundError,
  TwoFactorStateError,
} from '../errors/index.js';
import type { ResolvedOptions } from '../options/index.js';
import { TwoFactorService, type TwoFactorRequest } from '../request/index.js';
import { SenderService } from '../sender/index.js';
import { InjectTwoFactorOptions } from '../two-factor.tokens.js';
import { BodyPipe } from './body.pipe.js';
import { CheckAnswer, ConfirmAnswer, RequestConfirmationAnswer } from './dto/answers.dto.js';
import { ConfirmationIdBody, ConfirmBody, RequestConfirmationBody } from './dto/bodies.dto.js';
import { JsonOnlyGuard } from './json-only.guard.js';
import { ApiGroup, ApiRoute } from './open-api.js';
import { PurposeService } from './purpose.service.js';
import { TwoFactorExceptionFilter } from './two-factor-exception.filter.js';

/** The call's context, for the application's resolvers. */
const Call = createParamDecorator((_: unknown, context: ExecutionContext) => context);

/** The path, and once more with a slash at its end: Nest strips one, and Fastify tells them apart. */
const withAndWithoutSlash = (path: string): string[] => [path, `${path}//`];

/**
 * The routes over HTTP, with the paths and bodies of the package this one descends from. Always subclassed: see
 * `createTwoFactorController`.
 */
@ApiGroup('two-factor')
@UseFilters(TwoFactorExceptionFilter)
@UseGuards(JsonOnlyGuard)
export class TwoFactorController {
  constructor(
    @Inject(TwoFactorService) private readonly twoFactor: TwoFactorService,
    @Inject(ConfirmerService) private readonly confirmer: ConfirmerService,
    @Inject(SenderService) private readonly sender: SenderService,
    @Inject(PurposeService) private readonly purposes: PurposeService,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {}

  @Post(withAndWithoutSlash('request-confirmation'))
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @ApiRoute({
    summary: 'Sends a code',
    body: RequestConfirmationBody,
    answer: RequestConfirmationAnswer,
    refusals: [400, 403, 415, 422, 429, 503],
  })
  async requestConfirmation(
    @Body(new BodyPipe(RequestConfirmationBody)) body: unknown,
    @Call() context: ExecutionContext,
  ): Promise<RequestConfirmationAnswer> {
    const { token, way, purpose, details } = body as RequestConfirmationBody;
    const sender = this.sender.sender(way ?? null);
    const target = await this.purposes.target(purpose, token, sender.name, context);
    return this.#requested(
      await this.twoFactor.request({
        ...target,
        way: sender.name,
        purpose,
        details: details as JsonValue | undefined,
      }),
    );
  }

  @Post(withAndWithoutSlash('confirm'))
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @ApiRoute({
    summary: 'Confirms by the code',
    body: ConfirmBody,
    answer: ConfirmAnswer,
    refusals: [400, 404, 409, 410, 415, 422, 429, 503],
  })
  async confirm(
    @Body(new BodyPipe(ConfirmBody)) body: unknown,
    @Call() context: ExecutionContext,
  ): Promise<ConfirmAnswer> {
    const { id, code } = body as ConfirmBody;
    parseCode(code);
    const before = await this.#touchable(id, context);
    const [after, confirmed] = await this.confirmer.confirm(id, code);
    if (confirmed) return { id, confirmed: true, ...this.#debugCode(after) };
    // The last attempt was spent just now: it was a wrong code like those before it.
    if (before.status === 'pending' && after?.status === 'locked')
      throw new TwoFactorCodeMismatchError(0);
    throw refusalOf(after);
  }

  @Post(withAndWithoutSlash('resend'))
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @ApiRoute({
    summary: 'Sends the code again',
    body: ConfirmationIdBody,
    answer: RequestConfirmationAnswer,
    refusals: [400, 404, 409, 410, 415, 422, 429, 503],
  })
  async resend(
    @Body(new BodyPipe(ConfirmationIdBody)) body: unknown,
    @Call() context: ExecutionContext,
  ): Promise<RequestConfirmationAnswer> {
    const state = await this.#touchable((body as ConfirmationIdBody).id, context);
    return this.#requested(await this.twoFactor.resend(state));
  }

  @Post(withAndWithoutSlash('check'))
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @ApiRoute({
    summary: 'Tells where a confirmation is in its life',
    body: ConfirmationIdBody,
    answer: CheckAnswer,
    refusals: [400, 404, 415, 503],
  })
  async check(
    @Body(new BodyPipe(ConfirmationIdBody)) body: unknown,
    @Call() context: ExecutionContext,
  ): Promise<CheckAnswer> {
    const state = await this.#touchable((body as ConfirmationIdBody).id, context);
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

  /** @throws TwoFactorNotFoundError for an unknown confirmation and for somebody else's alike. */
  async #touchable(id: string, context: ExecutionContext): Promise<ConfirmationState> {
    const [state] = await this.confirmer.check(parseId(id));
    if (state === null || !(await this.purposes.mayTouch(state, context))) throw refusalOf(null);
    return state;
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

/** Why a confirmation was not confirmed. */
function refusalOf(state: ConfirmationState | null): Error {
  if (state === null) return new TwoFactorNotFoundError('There is no such confirmation.');
  if (state.status === 'pending') return new TwoFactorCodeMismatchError(state.attemptsLeft);
  return new TwoFactorStateError(STATE_CODES[state.status]);
}
