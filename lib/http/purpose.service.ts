import { Injectable, Logger, type ExecutionContext, type OnModuleInit } from '@nestjs/common';

import type { ConfirmationState, JsonValue } from '../confirmation/index.js';
import {
  TwoFactorConfigurationError,
  TwoFactorInputError,
  TwoFactorNoSubjectError,
} from '../errors/index.js';
import {
  DEFAULTS,
  isName,
  NAME_RULE,
  purposeNamed,
  type PurposeDefinition,
  type ResolvedOptions,
} from '../options/index.js';
import { InjectTwoFactorOptions } from '../two-factor.tokens.js';
import { CallerSubjects, type SubjectResolver } from './caller-subjects.js';
import { isDetailsClass } from './details-rules.js';
import { DetailsSchema } from './details-schema.js';

/** The members of a client's request that its purpose decides about. */
export interface PurposeRequest {
  readonly purpose?: string | undefined;
  readonly token?: string | undefined;
  readonly details?: unknown;
}

/** The subject, the recipient and the details of a requested confirmation. */
export interface PurposeTarget {
  readonly token: string;
  /** `client` when the client named the token although the confirmation is for a subject. */
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
  readonly #schemas: ReadonlyMap<string, DetailsSchema>;

  /** @throws TwoFactorConfigurationError for a details class that accepts texts of any length. */
  constructor(@InjectTwoFactorOptions() private readonly options: ResolvedOptions) {
    const resolvers = [...options.purposes.values()].flatMap(({ subject }) => subject ?? []);
    this.#subjects = new Set(resolvers);
    this.#schemas = new Map(
      [...options.purposes].flatMap(([name, definition]) => {
        const schema = schemaOf(name, definition);
        return schema ? [[name, schema] as const] : [];
      }),
    );
  }

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
   * name the token. Otherwise an attacker with a stolen session could confirm a transfer from another mailbox.
   *
   * @throws TwoFactorInputError for an undeclared purpose, a missing token, a token that the client may not name, and details
   * that the purpose does not declare.
   * @throws TwoFactorNoSubjectError when a resolver returns nothing.
   */
  async target(
    { purpose, token, details }: PurposeRequest,
    way: string,
    context: ExecutionContext,
  ): Promise<PurposeTarget> {
    const definition = this.#definition(purpose ?? '');
    if (definition === undefined) throw unknownPurpose(purpose);
    const { subject, recipient, ttlSeconds } = definition;
    if (!subject || !recipient) {
      if (token === undefined) throw new TwoFactorInputError('The body has no token.');
      return {
        token,
        details: await this.#requestedDetails(purpose, details, context),
        ttlSeconds,
      };
    }
    if (recipient === 'client') {
      const resolved = requireString(await subject(context), 'subject', purpose);
      if (token === undefined) throw new TwoFactorInputError('The body has no token.');
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
      subject: requireString(await subject(context), 'subject', purpose),
      token: requireString(await recipient(context, way), 'recipient', purpose),
      details: await this.#requestedDetails(purpose, details, context),
      ttlSeconds,
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
      if (schema) return schema.parse(bodyOf(purpose, context));
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
    return state.subject !== '' && caller.by(definition.subject) === state.subject;
  }

  /**
   * The subject that the proof of a guarded route must be for.
   *
   * @throws TwoFactorNoSubjectError when the resolver returns nothing.
   */
  async subject(purpose: string, context: ExecutionContext): Promise<string> {
    this.assertGuardable(purpose, 'A route');
    return requireString(await this.#definition(purpose)?.subject?.(context), 'subject', purpose);
  }

  /** @throws TwoFactorConfigurationError for a purpose without a subject, because its proofs would be valid for every caller. */
  assertGuardable(purpose: string, where: string): void {
    const definition = this.#definition(purpose);
    if (definition?.subject) return;
    throw new TwoFactorConfigurationError(
      `${where} requires a confirmation for "${purpose}", ` +
        (definition
          ? "which has no subject resolver: anybody could bring anybody's proof."
          : 'which is not declared.') +
        ` Give it subject and recipient under purposes in the options.`,
    );
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

type DetailsFunction = (context: ExecutionContext) => unknown;

function schemaOf(
  name: string,
  { details, subject, recipient }: PurposeDefinition,
): DetailsSchema | undefined {
  if (details === undefined || !isDetailsClass(details)) return undefined;
  if (subject && recipient !== 'client') return new DetailsSchema(name, details);
  throw new TwoFactorConfigurationError(
    `The details of purpose ${name || "''"} are a class, and its codes go to a token that the client names: a stranger ` +
      'could write into messages to people. Give details as a function of what the server knows, or leave them out.',
  );
}

function unknownPurpose(purpose: string | undefined): TwoFactorInputError {
  if (purpose === undefined) {
    return new TwoFactorInputError(
      "The body has no purpose, and the purpose without a name is not declared: '': { open: true }.",
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
  const found = (await resolve(context)) as JsonValue | undefined;
  // Without this check, a call without details would pass with a proof that was made without details.
  if (found === undefined) throw new TwoFactorInputError('The call lacks the details to confirm.');
  return found;
}

function bodyOf(purpose: string, context: ExecutionContext): unknown {
  if (context.getType() === 'http') {
    return context.switchToHttp().getRequest<{ readonly body?: unknown }>().body;
  }
  throw new TwoFactorConfigurationError(
    `Over ${context.getType()} there is no body. Give @RequireConfirmation('${purpose}') where its details are: ` +
      'details: (context) => details.',
  );
}

function requireString(
  value: unknown,
  resolver: 'subject' | 'recipient',
  purpose?: string,
): string {
  if (typeof value === 'string' && value !== '') return value;
  if (value === undefined || value === null || value === '') {
    throw new TwoFactorNoSubjectError(
      'There is no subject that this confirmation could be for. Sign in first.',
    );
  }
  throw new TwoFactorConfigurationError(
    `The ${resolver} resolver of purpose "${purpose}" answered a ${typeof value}. Let it answer a string.`,
  );
}
