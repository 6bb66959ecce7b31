import { Injectable, Logger, type ExecutionContext, type OnModuleInit } from '@nestjs/common';

import {
  parseSubject,
  parseToken,
  type ConfirmationState,
  type JsonValue,
} from '../confirmation/index.js';
import {
  TwoFactorConfigurationError,
  TwoFactorInputError,
  TwoFactorNoRecipientError,
  TwoFactorNoSubjectError,
  type MethodName,
} from '../errors/index.js';
import {
  callResolver,
  DEFAULTS,
  deviceTokenOf,
  FACTORS_PURPOSE,
  isName,
  NAME_RULE,
  purposeNamed,
  resolvedValue,
  type PurposeDefinition,
  type ResolvedOptions,
} from '../options/index.js';
import type { MethodDemand } from '../request/index.js';
import { InjectTwoFactorOptions } from '../two-factor.tokens.js';
import { CallerSubjects, type SubjectResolver } from './caller-subjects.js';
import type { ConfirmationRequirement } from './confirmation-requirement.js';
import { isDetailsClass } from './details-rules.js';
import { lacking } from './body-reader.js';
import { DetailsSchema } from './details-schema.js';
import { FactorDetails } from './factor-details.js';
import { hasJsonBody } from './json-only.guard.js';
import { assertObtainable, assertTokenIsCompared } from './guardable-route.js';
import { assertUsableClaim, stringOrNull } from './resolver-answers.js';

/** The members of a client's request that its purpose decides about. */
export interface PurposeRequest {
  readonly purpose?: string | undefined;
  readonly token?: string | undefined;
  readonly details?: unknown;
}

/** The subject, the recipient and the details of a requested confirmation. */
export interface PurposeTarget {
  /** The recipient of the code; absent for a method that sends nothing. */
  readonly token?: string | undefined;
  /** `client` when the client named the phone number or address although the confirmation is for a subject. */
  readonly tokenFrom?: 'client' | undefined;
  readonly subject?: string | undefined;
  readonly details?: JsonValue | undefined;
  readonly ttlSeconds?: number | undefined;
}

/** Applies the declared purposes to calls: what a client may request, and which confirmations a caller may access. */
@Injectable()
export class PurposeService implements OnModuleInit {
  readonly #logger = new Logger(PurposeService.name);
  readonly #subjects: ReadonlySet<SubjectResolver>;
  /** The schemas of the purposes whose details a class declares. */
  readonly #schemas: ReadonlyMap<string, DetailsParser>;

  /** @throws TwoFactorConfigurationError for a details class that accepts texts of any length. */
  constructor(@InjectTwoFactorOptions() private readonly options: ResolvedOptions) {
    const resolvers = [...options.purposes.values()].flatMap(({ subject }) => subject ?? []);
    this.#subjects = new Set(resolvers);
    this.#schemas = new Map(
      [...options.purposes].flatMap(([name, definition]) => {
        const schema = schemaOf(name, definition, options);
        return schema ? [[name, schema] as const] : [];
      }),
    );
  }

  /** Logs a warning for purposes without `subject` and `open: true`, and a hint when codes of purposes without `subject` have 6 digits. */
  onModuleInit(): void {
    const { purposes, codeGenerator, developmentFeatures } = this.options;
    const isOpen = ([, { subject }]: readonly [string, PurposeDefinition]): boolean => !subject;
    const open = [...purposes].filter(isOpen);
    const undeclared = open
      .filter(([, definition]) => !definition.open)
      .map(([name]) => name || "''");
    if (undeclared.length > 0) {
      this.#logger.warn(
        `Purposes without subject and recipient are open, so that anybody may have a code sent to any token: ` +
          `${undeclared.join(', ')}. Write open: true if that is meant.`,
      );
    }
    if (open.length > 0 && codeGenerator === DEFAULTS.codeGenerator && !developmentFeatures) {
      this.#logger.log(
        'Codes have 6 digits. If one of an open purpose is enough to sign in, give codeGenerator: digits(8): one guess at ' +
          'each of many tokens is not limited by the failures of any of them.',
      );
    }
  }

  /**
   * Determines subject, recipient and details of a request over HTTP. For a purpose with a recipient resolver the client cannot
   * name the phone number or address. Otherwise an attacker with a stolen session could confirm a transfer from another mailbox.
   *
   * @param way The sender's name; `null` for a request that sends nothing.
   * @throws TwoFactorInputError for an undeclared purpose, a missing phone number or address, one that the client may not name,
   * and details that the purpose does not declare.
   * @throws TwoFactorNoSubjectError, TwoFactorNoRecipientError when a resolver returns nothing.
   */
  async target(
    { purpose, token, details }: PurposeRequest,
    way: string | null,
    context: ExecutionContext,
  ): Promise<PurposeTarget> {
    const definition = this.#definition(purpose ?? '');
    if (definition === undefined) throw unknownPurpose(purpose);
    const { subject, recipient, ttlSeconds } = definition;
    if (!subject) {
      if (token === undefined) throw lacking(['token']);
      return {
        token,
        details: await this.#requestedDetails(purpose, details, context),
        ttlSeconds,
      };
    }
    if (recipient === 'client') {
      const resolved = await this.#subjectOf(subject, purpose, context);
      if (token === undefined) throw lacking(['token']);
      return {
        subject: resolved,
        token,
        tokenFrom: 'client',
        details: await this.#requestedDetails(purpose, details, context),
        ttlSeconds,
      };
    }
    if (token !== undefined) {
      throw new TwoFactorInputError(
        `The application knows where codes for "${purpose}" go. Leave token out.`,
      );
    }
    return {
      subject: await this.#subjectOf(subject, purpose, context),
      token:
        way === null || recipient === undefined
          ? undefined
          : await this.#recipientOf(() => recipient(context, way), purpose, way),
      details: await this.#requestedDetails(purpose, details, context),
      ttlSeconds,
    };
  }

  /**
   * Where the first code of a confirmation goes that was begun by another method; `undefined` where the application does not know
   * that. The caller is the subject of the confirmation.
   *
   * @throws TwoFactorNoRecipientError when the resolver returns nothing.
   */
  async recipient(
    purpose: string,
    way: string,
    context: ExecutionContext,
  ): Promise<string | undefined> {
    const { recipient } = this.#definition(purpose) ?? {};
    if (recipient === undefined || recipient === 'client') return undefined;
    return this.#recipientOf(() => recipient(context, way), purpose, way);
  }

  /**
   * The methods of a purpose for the caller, by what the caller has; `null` for a purpose that declares none, whose
   * confirmations a code confirms.
   *
   * @throws TwoFactorNoSubjectError when the resolver returns nothing.
   */
  async methods(
    purpose: string | undefined,
    context: ExecutionContext,
  ): Promise<Omit<MethodDemand, 'asked'> | null> {
    const { methods, subject, recipient } = this.#definition(purpose ?? '') ?? {};
    if (methods === undefined || subject === undefined) return null;
    const name = `methods function of purpose "${purpose ?? ''}"`;
    return {
      subject: await this.#subjectOf(subject, purpose, context),
      deviceToken: await deviceTokenOf(this.options.methods, context),
      allowed:
        typeof methods === 'function'
          ? async (enrolled) =>
              (await callResolver(name, () => methods(context, enrolled))) as readonly MethodName[]
          : methods,
      canSend: recipient !== undefined,
    };
  }

  /**
   * The details that the proof of a guarded route must be for: the result of `resolve`, or without it the details that the
   * purpose declares. Details of a class are validated as at the request, so that both never differ.
   *
   * @throws TwoFactorInputError for missing details, and for details that the purpose does not declare.
   */
  async routeDetails(
    purpose: string,
    resolve: ((context: ExecutionContext) => unknown) | undefined,
    context: ExecutionContext,
  ): Promise<JsonValue | undefined> {
    const schema = this.#schemas.get(purpose);
    const declared = this.#definition(purpose)?.details;
    if (resolve === undefined) {
      if (schema) return schema.parse(httpBodyOf(purpose, context));
      return declared && resolveDetails(declared as DetailsFunction, context);
    }
    const found = await resolveDetails(resolve, context);
    return schema ? schema.parse(found) : found;
  }

  /** The subjects under which the caller may confirm, check or resend confirmations over HTTP. */
  async callerSubjects(context: ExecutionContext): Promise<CallerSubjects> {
    return CallerSubjects.resolve(this.#subjects, context);
  }

  /** Whether the caller may confirm, check or resend this confirmation over HTTP. Other callers receive 404. */
  isAccessible(state: ConfirmationState, caller: CallerSubjects): boolean {
    const definition = this.#definition(state.purpose);
    if (definition === undefined) return false;
    if (!definition.subject) return true;
    return state.subject !== '' && caller.subjectBy(definition.subject) === state.subject;
  }

  /**
   * The subject that the proof of a guarded route must be for.
   *
   * @throws TwoFactorNoSubjectError when the resolver returns nothing.
   */
  async subject(purpose: string, context: ExecutionContext): Promise<string> {
    this.assertGuardable(purpose, 'A route');
    return this.#subjectOf(this.#definition(purpose)?.subject, purpose, context);
  }

  /** @throws TwoFactorConfigurationError for a route whose purpose cannot be guarded, or that no proof could ever open. */
  assertRouteGuardable(requirement: ConfirmationRequirement, where: string): void {
    this.assertGuardable(requirement.purpose, where);
    const definition = this.#definition(requirement.purpose)!;
    assertObtainable(requirement, definition, this.options.methods, where);
    assertTokenIsCompared(requirement, definition, where);
  }

  /** @throws TwoFactorConfigurationError for a purpose without a subject, because its proofs would be valid for every caller. */
  assertGuardable(purpose: string, where: string): void {
    const definition = this.#definition(purpose);
    if (definition?.subject) return;
    throw new TwoFactorConfigurationError(
      `${where} requires a confirmation for "${purpose}", ` +
        (definition
          ? "which has no subject resolver, so that anybody could bring anybody's proof: give it subject and recipient "
          : `which is not declared: ${this.#misspellingHint()}give it subject and recipient `) +
        'under purposes in the options.',
    );
  }

  async #subjectOf(
    resolve: SubjectResolver | undefined,
    purpose: string | undefined,
    context: ExecutionContext,
  ): Promise<string> {
    const name = `subject resolver of purpose "${purpose ?? ''}"`;
    const answer = await callResolver(name, () => resolve?.(context));
    if (this.#definition(purpose ?? '')?.claimedSubject) assertUsableClaim(answer, name);
    const found = stringOrNull(answer, name);
    if (found === null) {
      throw new TwoFactorNoSubjectError(
        `The ${name} returned nothing for this caller: let your sign-in run before it, which is a guard in ` +
          'controller: { guards } for the routes of this package, and @UseGuards or a middleware for your own.',
      );
    }
    return resolvedValue(name, () => parseSubject(found));
  }

  async #recipientOf(
    resolve: () => unknown,
    purpose: string | undefined,
    way: string,
  ): Promise<string> {
    const name = `recipient resolver of purpose "${purpose ?? ''}"`;
    const found = stringOrNull(await callResolver(name, resolve), name);
    if (found === null) {
      throw new TwoFactorNoRecipientError(`The ${name} returned nothing for the way "${way}".`);
    }
    return resolvedValue(name, () => parseToken(found));
  }

  /** The remedy for a misspelt purpose. */
  #misspellingHint(): string {
    const names = [...this.options.purposes.keys()].filter((name) => name !== '');
    return names.length === 0 ? '' : `write one of ${names.join(', ')}, or `;
  }

  #definition(purpose: string): PurposeDefinition | undefined {
    return purposeNamed(this.options, purpose);
  }

  async #requestedDetails(
    purpose: string | undefined,
    given: unknown,
    context: ExecutionContext,
  ): Promise<JsonValue | undefined> {
    const schema = this.#schemas.get(purpose ?? '');
    if (schema) return schema.parse(given);
    const declared = this.#definition(purpose ?? '')?.details;
    if (given !== undefined) {
      const what =
        purpose === undefined ? 'The purpose without a name' : `The purpose "${purpose}"`;
      const detail = declared
        ? `${what} has details that the application knows. Leave details out.`
        : `${what} declares no details. Leave details out.`;
      throw new TwoFactorInputError(detail, { detail });
    }
    return declared && resolveDetails(declared as DetailsFunction, context);
  }
}

/** Checks the details that a client gives. */
interface DetailsParser {
  parse(given: unknown): JsonValue | Promise<JsonValue>;
}

type DetailsFunction = (context: ExecutionContext) => unknown;

function schemaOf(
  name: string,
  { details, subject, recipient }: PurposeDefinition,
  { methods }: ResolvedOptions,
): DetailsParser | undefined {
  if (name === FACTORS_PURPOSE && methods.size > 0) return new FactorDetails(methods);
  if (details === undefined || !isDetailsClass(details)) return undefined;
  if (subject && recipient !== 'client') return new DetailsSchema(name, details);
  throw new TwoFactorConfigurationError(
    `The details of purpose ${name || "''"} are a class, and its codes go to a token that the client names: a stranger ` +
      'could write into messages to people. Give details as a function of what the server knows, or leave them out.',
  );
}

function unknownPurpose(purpose: string | undefined): TwoFactorInputError {
  if (purpose === undefined) {
    const detail = 'The body lacks purpose.';
    return new TwoFactorInputError(
      `${detail} The purpose without a name is not declared: '': { open: true }.`,
      { detail },
    );
  }
  // The message is logged. A text that is no name stays out of the log.
  return new TwoFactorInputError(
    isName(purpose) ? `There is no purpose "${purpose}".` : `A purpose is ${NAME_RULE}.`,
  );
}

async function resolveDetails(
  resolve: (context: ExecutionContext) => unknown,
  context: ExecutionContext,
): Promise<JsonValue> {
  const found = (await callResolver('details function', () => resolve(context))) as
    JsonValue | undefined;
  // Without this check, a call without details would pass with a proof that was made without details.
  if (found === undefined) throw new TwoFactorInputError('The call lacks the details to confirm.');
  return found;
}

/** The members of a request from which its parsed body is read, and by which an absent body is recognised. */
interface ParsedRequest {
  readonly body?: unknown;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/** The stream is not read here: the handler of the application, which comes after the guard, would find it empty. */
function unparsedBody(purpose: string): TwoFactorConfigurationError {
  return new TwoFactorConfigurationError(
    `No parser has read the body of this request, which has the details of "${purpose}": leave bodyParser: false out of ` +
      'NestFactory.create, or let a parser such as express.json() run for this route.',
  );
}

function httpBodyOf(purpose: string, context: ExecutionContext): unknown {
  if (context.getType() === 'http') {
    const { body, headers } = context.switchToHttp().getRequest<ParsedRequest>();
    if (body === undefined && hasJsonBody(headers)) throw unparsedBody(purpose);
    return body;
  }
  throw new TwoFactorConfigurationError(
    `Over ${context.getType()} there is no body. Give @RequireConfirmation('${purpose}') where its details are: ` +
      'details: (context) => details.',
  );
}
