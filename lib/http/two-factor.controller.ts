import {
  Inject,
  SerializeOptions,
  UseFilters,
  UseGuards,
  type ExecutionContext,
  type OnApplicationBootstrap,
} from '@nestjs/common';

import {
  allowsMethod,
  CODE_METHOD,
  ConfirmerService,
  STATE_ERROR_CODES,
  stateRow,
  type ConfirmationState,
  type MethodResponse,
  type VerifyOptions,
} from '../confirmation/index.js';
import { parseCode, parseId } from '../crypto/index.js';
import {
  TwoFactorCodeMismatchError,
  TwoFactorInputError,
  TwoFactorNotFoundError,
  TwoFactorStateError,
} from '../errors/index.js';
import {
  DEVICE_METHOD,
  deviceTokenOf,
  isName,
  NAME_RULE,
  type ResolvedOptions,
} from '../options/index.js';
import {
  MethodChooser,
  TwoFactorService,
  type MethodChoice,
  type RequestedConfirmation,
  type TwoFactorResendInput,
} from '../request/index.js';
import { DeliveryService, SenderService } from '../delivery/index.js';
import { SenderExplorer } from '../sender/index.js';
import { InjectTwoFactorOptions } from '../two-factor.tokens.js';
import { lacking, lackingDeviceToken } from './body-reader.js';
import type { CallerSubjects } from './caller-subjects.js';
import {
  ChallengeAnswer,
  CheckAnswer,
  ConfirmAnswer,
  RequestConfirmationAnswer,
} from './dto/answers.dto.js';
import {
  ChallengeBody,
  ConfirmationIdBody,
  ConfirmBody,
  RequestConfirmationBody,
  ResendBody,
} from './dto/bodies.dto.js';
import { IDEMPOTENCY_KEY, idempotencyKeyOf } from './idempotency-key.js';
import { JsonOnlyGuard } from './json-only.guard.js';
import { languageOf, type LanguageResolver } from './language.js';
import { JsonRoute } from './json-route.decorator.js';
import { NoStoreGuard } from './no-store.guard.js';
import { ApiGroup } from './open-api.js';
import { PurposeService } from './purpose.service.js';
import { RequesterService } from './requester.service.js';
import { COMMON_REFUSALS, SERIALIZE_ALL } from './controller-defaults.js';
import { TwoFactorExceptionFilter } from './two-factor-exception.filter.js';

const UNKNOWN = { 404: ['not-found'] };
const ENDED_REFUSALS = {
  409: ['already-confirmed', 'already-used', 'method-not-allowed'],
  410: ['expired', 'attempts-exhausted', 'cancelled', 'unknown-secret'],
};
const SEND_REFUSALS = {
  422: ['recipient-not-allowed'],
  429: ['too-many-requests'],
  503: ['send-failed', 'temporarily-unavailable', 'out-of-service'],
};

/**
 * The routes over HTTP. Paths and bodies are those of wc-django-2factor, so that its clients keep working. An application gets
 * a subclass, from `createTwoFactorController`.
 */
@ApiGroup('two-factor')
@UseFilters(TwoFactorExceptionFilter)
@UseGuards(NoStoreGuard, JsonOnlyGuard)
@SerializeOptions(SERIALIZE_ALL)
export class TwoFactorController implements OnApplicationBootstrap {
  /** The option of the controller; absent for the language of `Accept-Language`. */
  protected readonly language: LanguageResolver | false | undefined = undefined;

  /** @internal */
  constructor(
    @Inject(TwoFactorService) private readonly twoFactor: TwoFactorService,
    @Inject(ConfirmerService) private readonly confirmer: ConfirmerService,
    @Inject(SenderService) private readonly sender: SenderService,
    @Inject(PurposeService) private readonly purposes: PurposeService,
    @Inject(RequesterService) private readonly requesters: RequesterService,
    @Inject(MethodChooser) private readonly chooser: MethodChooser,
    @Inject(SenderExplorer) private readonly explorer: SenderExplorer,
    @Inject(DeliveryService) private readonly deliveries: DeliveryService,
    @InjectTwoFactorOptions() readonly options: ResolvedOptions,
  ) {}

  onApplicationBootstrap(): void {
    this.explorer.assertAnySender();
  }

  @JsonRoute('request-confirmation', {
    summary: 'Sends a code',
    body: RequestConfirmationBody,
    answer: RequestConfirmationAnswer,
    headers: [IDEMPOTENCY_KEY],
    refusals: {
      ...COMMON_REFUSALS,
      ...SEND_REFUSALS,
      403: ['no-subject', 'no-method'],
      409: ['method-not-allowed'],
      422: ['no-recipient', ...SEND_REFUSALS[422], 'idempotency-key-reused'],
    },
  })
  async requestConfirmation(
    body: RequestConfirmationBody,
    context: ExecutionContext,
  ): Promise<RequestConfirmationAnswer> {
    const { way, purpose, method, ...given } = body;
    const idempotencyKey = idempotencyKeyOf(context);
    const messageContext = await this.#messageContext(context);
    const choice = await this.#choose(purpose, this.#parseMethod(method), context);
    const sends = choice === null || choice.method === CODE_METHOD;
    const sender = sends ? this.sender.senderFor(purpose, way ?? null).name : null;
    const target = await this.purposes.target({ purpose, ...given }, sender, context);
    const request = await this.twoFactor.requestWithChoice(choice, {
      ...(sender !== null && { way: sender }),
      purpose,
      requester: await this.requesters.requesterOf(context),
      idempotencyKey,
      context: messageContext,
      ...target,
    });
    return this.#requestAnswer(request, choice !== null);
  }

  @JsonRoute('confirm', {
    summary: 'Confirms by the code',
    body: ConfirmBody,
    answer: ConfirmAnswer,
    refusals: {
      ...COMMON_REFUSALS,
      ...UNKNOWN,
      ...ENDED_REFUSALS,
      422: ['code-mismatch'],
      429: ['too-many-requests'],
    },
  })
  async confirm(body: ConfirmBody, context: ExecutionContext): Promise<ConfirmAnswer> {
    const { id, code, response, method: named } = body;
    const method = this.#parseMethod(named) ?? CODE_METHOD;
    // Without this check the refusal of a passkey's response that lacks `method` would name `code` as the missing member.
    const hasMethods = this.options.methods.size > 0;
    if (hasMethods && named === undefined && code === undefined && response !== undefined) {
      throw lacking(['method']);
    }
    if (method === CODE_METHOD && code === undefined) throw lacking(['code']);
    if (method === CODE_METHOD) parseCode(code);
    const options = await this.#verifyOptionsFor(parseId(id), context);
    // A name that is none, and a response of another shape, are refused by the verifier.
    const token = await deviceTokenOf(this.options.methods, context);
    if (method === DEVICE_METHOD && token === undefined && this.options.methods.has(method)) {
      throw lackingDeviceToken();
    }
    const given = { method, code, response, token } as MethodResponse;
    const attempt = await this.confirmer.verify(id, given, options);
    if (attempt.outcome === 'refused') throw errorForState(attempt.state);
    if (attempt.outcome === 'mismatched') {
      throw new TwoFactorCodeMismatchError(attempt.state.attemptsLeft, attempt.reason);
    }
    return { id, confirmed: true, ...this.#debugCode(attempt.state) };
  }

  @JsonRoute('challenge', {
    summary: 'Answers what the browser needs to confirm with a passkey',
    body: ChallengeBody,
    answer: ChallengeAnswer,
    refusals: { ...COMMON_REFUSALS, ...UNKNOWN, ...ENDED_REFUSALS },
  })
  async challenge(body: ChallengeBody, context: ExecutionContext): Promise<ChallengeAnswer> {
    const id = parseId(body.id);
    const method = this.#parseMethod(body.method);
    // Without the option `methods` no factors can exist, so that no statement is executed.
    if (method === undefined) throw errorForState(null);
    const options = await this.#verifyOptionsFor(id, context);
    return (await this.confirmer.challengeBy(id, method, options)) as ChallengeAnswer;
  }

  @JsonRoute('resend', {
    summary: 'Sends the code again, or for the first time after another method',
    body: ResendBody,
    answer: RequestConfirmationAnswer,
    headers: [IDEMPOTENCY_KEY],
    refusals: {
      ...COMMON_REFUSALS,
      ...UNKNOWN,
      ...ENDED_REFUSALS,
      ...SEND_REFUSALS,
      410: [...ENDED_REFUSALS[410], 'sender-removed'],
      422: ['no-recipient', ...SEND_REFUSALS[422]],
    },
  })
  async resend(body: ResendBody, context: ExecutionContext): Promise<RequestConfirmationAnswer> {
    const idempotencyKey = idempotencyKeyOf(context);
    const state = await this.#findAccessible(body.id, context);
    const requester = await this.requesters.requesterOf(context);
    const first = isUnsent(state)
      ? await this.#firstMessage(state.purpose, body.way, context)
      : { way: body.way };
    const input = { requester, idempotencyKey, ...first };
    return this.#requestAnswer(await this.twoFactor.resend(state, input, stateRow(state)));
  }

  /** The first message of a confirmation that was begun by another method. The client chooses the way, and never the token. */
  async #firstMessage(
    purpose: string,
    asked: string | undefined,
    context: ExecutionContext,
  ): Promise<TwoFactorResendInput> {
    const way = this.sender.senderFor(purpose, asked ?? null).name;
    const token = await this.purposes.recipient(purpose, way, context);
    return { way, token, context: await this.#messageContext(context) };
  }

  @JsonRoute('check', {
    summary: 'Tells where a confirmation is in its life',
    body: ConfirmationIdBody,
    answer: CheckAnswer,
    refusals: { ...COMMON_REFUSALS, ...UNKNOWN },
  })
  async check(body: ConfirmationIdBody, context: ExecutionContext): Promise<CheckAnswer> {
    const state = await this.#findAccessible(body.id, context);
    const { id, status, attemptsLeft, expiresAt } = state;
    return {
      id,
      status,
      attemptsLeft,
      ...this.#expiry(expiresAt),
      ...this.#nextMessage(this.twoFactor.resendAt(state)),
      ...(this.options.methods.size > 0 && { confirmedBy: state.confirmedBy }),
      ...(await this.deliveries.statusOf(state)),
    };
  }

  /**
   * Returns the method that the client names. Applications without the option `methods` ignore the member, as they ignore every unknown
   * member of a body.
   */
  #parseMethod(method: unknown): string | undefined {
    if (method === undefined || this.options.methods.size === 0) return undefined;
    if (isName(method)) return method;
    throw new TwoFactorInputError(`A method is ${NAME_RULE}.`);
  }

  /** The part of the context of a message that is known from the request: the language of the person. */
  async #messageContext(context: ExecutionContext): Promise<{ language: string } | undefined> {
    const language = await languageOf(this.language, context);
    return language === undefined ? undefined : { language };
  }

  /** The methods of a request; `null` where the purpose declares none. */
  async #choose(
    purpose: string | undefined,
    asked: string | undefined,
    context: ExecutionContext,
  ): Promise<MethodChoice | null> {
    const demand = await this.purposes.methods(purpose, context);
    if (demand !== null) return this.chooser.choose({ ...demand, asked });
    if (asked === undefined || asked === CODE_METHOD) return null;
    throw new TwoFactorStateError('method-not-allowed');
  }

  /**
   * How a call is restricted to the confirmations of its caller. Where all purposes resolve the caller to the same subject,
   * the statement that compares also checks the access. Otherwise the confirmation is read first.
   */
  async #verifyOptionsFor(id: string, context: ExecutionContext): Promise<VerifyOptions> {
    const caller = await this.purposes.callerSubjects(context);
    const subject = caller.common;
    return subject === null
      ? { seen: stateRow(await this.#findForCaller(id, caller)) }
      : { scopedSubject: subject };
  }

  /** @throws TwoFactorNotFoundError for an unknown confirmation and for that of another subject, without a difference. */
  async #findForCaller(id: string, caller: CallerSubjects): Promise<ConfirmationState> {
    const [state] = await this.confirmer.check(id);
    if (state === null || !this.purposes.isAccessible(state, caller)) throw errorForState(null);
    return state;
  }

  async #findAccessible(id: string, context: ExecutionContext): Promise<ConfirmationState> {
    const parsed = parseId(id);
    return this.#findForCaller(parsed, await this.purposes.callerSubjects(context));
  }

  /** @param namesMethods whether the purpose has methods, which the client then chooses from. */
  #requestAnswer(request: RequestedConfirmation, namesMethods = false): RequestConfirmationAnswer {
    const { id, attemptsLeft, codeLength, maskedToken, state, method, methods } = request;
    const expiry = this.#expiry(request.expiresAt);
    const named = namesMethods ? { method, methods: [...methods] } : {};
    // The other methods send no message whose delivery could be reported.
    if (method !== CODE_METHOD) return { id, ...expiry, attemptsLeft, ...named };
    const times = { ...expiry, ...this.#nextMessage(request.resendAt) };
    const message = { ...times, attemptsLeft, codeLength, maskedToken };
    const delivery = request.delivery && { delivery: request.delivery };
    return { id, ...message, ...named, ...delivery, ...this.#debugCode(state) };
  }

  /** Rounded down, so that a page never displays a code as valid for longer than it is. */
  #expiry(time: Date): { expiresAt: string; expiresIn: number } {
    return { expiresAt: time.toISOString(), expiresIn: Math.floor(this.#secondsUntil(time)) };
  }

  /** Rounded up, so that a page never asks for the next message before the server sends it. */
  #nextMessage(time: Date): { resendAt: string; resendIn: number } {
    return { resendAt: time.toISOString(), resendIn: Math.ceil(this.#secondsUntil(time)) };
  }

  /** The time that a browser counts down, whose own clock may be wrong. */
  #secondsUntil(time: Date): number {
    return Math.max(0, (time.getTime() - this.options.clock.now()) / 1_000);
  }

  #debugCode(state: ConfirmationState): { code?: string } {
    const code = this.options.debugCodeResponse ? state.code : null;
    return code === null ? {} : { code };
  }
}

/** Whether the confirmation is pending, a sent code is one of several methods that may confirm it, and no code of it was sent yet. */
function isUnsent(state: ConfirmationState): boolean {
  const row = stateRow(state);
  return (
    state.status === 'pending' &&
    row.way === '' &&
    row.methods !== null &&
    allowsMethod(row, CODE_METHOD)
  );
}

/** The error for a confirmation whose code was not compared. */
function errorForState(state: ConfirmationState | null): Error {
  if (state === null) return new TwoFactorNotFoundError('There is no such confirmation.');
  // The statement refused it, and now it is pending: the clock was set back in between, or another request gave back the last attempt
  // (I5). A new confirmation helps in both cases.
  const code = state.status === 'pending' ? 'expired' : STATE_ERROR_CODES[state.status];
  return new TwoFactorStateError(code);
}
