import { HttpException, Injectable, type ExecutionContext } from '@nestjs/common';

import type { ConfirmationState } from '../confirmation/index.js';
import {
  TwoFactorConfigurationError,
  TwoFactorInputError,
  TwoFactorNoSubjectError,
} from '../errors/index.js';
import {
  isName,
  NAME_RULE,
  type PurposeDefinition,
  type ResolvedOptions,
} from '../options/index.js';
import { InjectTwoFactorOptions } from '../two-factor.tokens.js';

/** Whom a confirmation is for and where its code goes. */
export interface PurposeTarget {
  readonly token: string;
  readonly subject?: string | undefined;
  readonly ttlSeconds?: number | undefined;
}

/** The open purpose without a name, which is always there. */
const NAMELESS: PurposeDefinition = {};

/** Answers, from the declared purposes, who may ask for a confirmation and who may touch one. */
@Injectable()
export class PurposeService {
  readonly #subjects: ReadonlySet<NonNullable<PurposeDefinition['subject']>>;

  constructor(@InjectTwoFactorOptions() private readonly options: ResolvedOptions) {
    const resolvers = [...options.purposes.values()].flatMap(({ subject }) => subject ?? []);
    this.#subjects = new Set(resolvers);
  }

  /**
   * Where the code of a new confirmation goes. For a purpose with resolvers the application says it: a thief with a
   * session would otherwise confirm a transfer from his own mailbox.
   *
   * @throws TwoFactorInputError for an undeclared purpose, a missing token, or one where none may be given.
   * @throws TwoFactorNoSubjectError when a resolver yields nothing.
   */
  async target(
    purpose: string | undefined,
    token: string | undefined,
    way: string,
    context: ExecutionContext,
  ): Promise<PurposeTarget> {
    const definition = this.#definition(purpose);
    if (definition === undefined) {
      // The message goes to the log: whatever is no name stays out of it.
      throw new TwoFactorInputError(
        isName(purpose) ? `There is no purpose "${purpose}".` : `A purpose is ${NAME_RULE}.`,
      );
    }
    const { subject, recipient, ttlSeconds } = definition;
    if (!subject || !recipient) {
      if (token === undefined) throw new TwoFactorInputError('The body has no token.');
      return { token, ttlSeconds };
    }
    if (token !== undefined) {
      throw new TwoFactorInputError(
        `The application knows where codes for "${purpose}" go. Leave token out.`,
      );
    }
    return {
      subject: some(await subject(context), 'subject', purpose),
      token: some(await recipient(context, way), 'recipient', purpose),
      ttlSeconds,
    };
  }

  /**
   * As whom the caller touches confirmations, whatever they are for: empty for nobody, `null` where that depends on the
   * purpose, which is known only when the confirmation was read.
   */
  async whose(context: ExecutionContext): Promise<string | null> {
    const [subject, another] = this.#subjects;
    if (subject === undefined) return '';
    if (another !== undefined) return null;
    try {
      const whose: unknown = await subject(context);
      if (typeof whose !== 'string') return '';
      // PostgreSQL takes no such text, and no confirmation has such a subject.
      return whose.includes('\0') ? null : whose;
    } catch {
      // It may be about no confirmation of such a purpose: then nobody is to hear of it.
      return null;
    }
  }

  /** Whether the caller may confirm, check or resend it over HTTP: else it does not exist for him. */
  async mayTouch(state: ConfirmationState, context: ExecutionContext): Promise<boolean> {
    const definition = this.#definition(state.purpose || undefined);
    if (definition === undefined) return false;
    if (!definition.subject) return true;
    try {
      return state.subject !== '' && (await definition.subject(context)) === state.subject;
    } catch (error) {
      // "Sign in first" would tell a stranger that the id exists.
      if (error instanceof HttpException && error.getStatus() < 500) return false;
      throw error;
    }
  }

  /**
   * The subject that a guarded route's proof must be for.
   *
   * @throws TwoFactorNoSubjectError when the resolver yields nothing.
   */
  async subject(purpose: string, context: ExecutionContext): Promise<string> {
    this.assertGuardable(purpose, 'A route');
    return some(await this.#definition(purpose)?.subject?.(context), 'subject', purpose);
  }

  /** @throws TwoFactorConfigurationError when a proof for the purpose would not be bound to anybody. */
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

  #definition(purpose: string | undefined): PurposeDefinition | undefined {
    return purpose === undefined ? NAMELESS : this.options.purposes.get(purpose);
  }
}

function some(value: unknown, resolver: 'subject' | 'recipient', purpose?: string): string {
  if (typeof value === 'string' && value !== '') return value;
  if (value === undefined || value === null || value === '') {
    throw new TwoFactorNoSubjectError(
      'There is nobody this confirmation could be for. Sign in first.',
    );
  }
  throw new TwoFactorConfigurationError(
    `The ${resolver} resolver of purpose "${purpose}" answered a ${typeof value}. Let it answer a string.`,
  );
}
