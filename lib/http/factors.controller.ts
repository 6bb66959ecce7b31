import {
  Inject,
  Logger,
  SerializeOptions,
  UseFilters,
  UseGuards,
  type ExecutionContext,
  type OnApplicationBootstrap,
} from '@nestjs/common';

import { WrongResponse } from '../confirmation/index.js';
import { FactorService } from '../methods/index.js';
import { lacksFirstFactor, showsReasons, type ResolvedOptions } from '../options/index.js';
import { InjectTwoFactorOptions } from '../two-factor.tokens.js';
import { ID_EXAMPLE } from './dto/examples.js';
import {
  ActivateFactorAnswer,
  EnrolFactorAnswer,
  FactorsAnswer,
  RecoveryCodesAnswer,
  RemoveFactorAnswer,
  RenameFactorAnswer,
} from './dto/factor-answers.dto.js';
import {
  ActivateFactorBody,
  EnrolFactorBody,
  NoMembersBody,
  RemoveFactorBody,
  RenameFactorBody,
} from './dto/factor-bodies.dto.js';
import { FactorChangesService } from './factor-changes.service.js';
import { JsonOnlyGuard } from './json-only.guard.js';
import { JsonRoute } from './json-route.decorator.js';
import { NoStoreGuard } from './no-store.guard.js';
import { ApiGroup } from './open-api.js';
import { problem } from './problem.js';
import { COMMON_REFUSALS, SERIALIZE_ALL } from './controller-defaults.js';
import { TwoFactorExceptionFilter } from './two-factor-exception.filter.js';
import { TwoFactorHttpException } from './two-factor-http.exception.js';

const PROOF_HEADER = {
  name: 'X-Confirmation-Id',
  description:
    'The id of a confirmation of the purpose factors, for exactly this change. Not needed for a first factor by session.',
  example: ID_EXAMPLE,
};
const WITHOUT_SUBJECT = { 403: ['no-subject'] };
const UNPROVEN = { 403: ['no-subject', 'confirmation-required'] };
const LOST_PROOF_CODES = ['confirmation-used', 'conflict'];
const UNKNOWN = { 404: ['not-found'] };

/**
 * The routes over which a person changes what proves who the person is. They touch only what belongs to the caller's subject, as
 * the purpose `factors` resolves it. Whatever changes something spends a proof for exactly that change, in the same transaction:
 * a stolen session alone changes nothing. An application gets a subclass, where it has methods and declares that purpose.
 */
@ApiGroup('two-factor')
@UseFilters(TwoFactorExceptionFilter)
@UseGuards(NoStoreGuard, JsonOnlyGuard)
@SerializeOptions(SERIALIZE_ALL)
export class FactorsController implements OnApplicationBootstrap {
  readonly #logger = new Logger(FactorsController.name);

  /** @internal */
  constructor(
    @Inject(FactorChangesService) private readonly changes: FactorChangesService,
    @Inject(FactorService) private readonly factors: FactorService,
    @InjectTwoFactorOptions() readonly options: ResolvedOptions,
  ) {}

  /** A warning and no refusal: an application may enrol and import authenticators by its own code, and offer the other routes. */
  onApplicationBootstrap(): void {
    if (!lacksFirstFactor(this.options)) return;
    this.#logger.warn(
      "Nothing proves a person's first authenticator to the routes of the purpose factors, so that they enrol none: give " +
        "purposes.factors a recipient (with 'code' in its methods, where it lists them) or firstFactor: 'session', or call " +
        'FactorService.enrol or FactorService.import in a route of your own.',
    );
  }

  @JsonRoute('factors/list', {
    summary: 'Lists the authenticators and recovery codes of the caller',
    body: NoMembersBody,
    answer: FactorsAnswer,
    refusals: { ...COMMON_REFUSALS, ...WITHOUT_SUBJECT },
  })
  async list(_: NoMembersBody, context: ExecutionContext): Promise<FactorsAnswer> {
    const subject = await this.changes.subjectOf(context);
    return { factors: await this.factors.list({ subject }) };
  }

  @JsonRoute('factors/enrol', {
    summary: 'Begins the enrolment of an authenticator',
    body: EnrolFactorBody,
    answer: EnrolFactorAnswer,
    headers: [PROOF_HEADER],
    refusals: { ...COMMON_REFUSALS, ...UNPROVEN, 409: LOST_PROOF_CODES },
  })
  async enrol(body: EnrolFactorBody, context: ExecutionContext): Promise<EnrolFactorAnswer> {
    const { method, label, account } = body;
    return this.changes.change({ change: 'enrol', method }, context, (factors, subject) =>
      // The details of the proof accept no other name than that of a method that is enrolled.
      factors.enrol({ subject, method: method as 'totp', label, account }),
    );
  }

  /** Needs no other proof: the response proves that the person has the authenticator, and the enrolment was proven before. */
  @JsonRoute('factors/activate', {
    summary: 'Activates an authenticator by its first response',
    body: ActivateFactorBody,
    answer: ActivateFactorAnswer,
    refusals: { ...COMMON_REFUSALS, ...WITHOUT_SUBJECT, ...UNKNOWN, 422: ['code-mismatch'] },
  })
  async activate(
    { factor, response }: ActivateFactorBody,
    context: ExecutionContext,
  ): Promise<ActivateFactorAnswer> {
    const subject = await this.changes.subjectOf(context);
    // What is no response of the method is refused by the method.
    const given = { subject, factor, response: response as string };
    const activated = await this.factors.tryActivate(given);
    if (activated !== null && !(activated instanceof WrongResponse)) return activated;
    const reason = showsReasons() && activated !== null ? { detail: activated.reason } : {};
    throw new TwoFactorHttpException(problem('code-mismatch', reason));
  }

  @JsonRoute('factors/rename', {
    summary: 'Gives an authenticator another name',
    body: RenameFactorBody,
    answer: RenameFactorAnswer,
    headers: [PROOF_HEADER],
    refusals: { ...COMMON_REFUSALS, ...UNPROVEN, ...UNKNOWN, 409: LOST_PROOF_CODES },
  })
  async rename(
    { factor, label }: RenameFactorBody,
    context: ExecutionContext,
  ): Promise<RenameFactorAnswer> {
    await this.changes.change({ change: 'rename', factor }, context, (factors, subject) =>
      factors.rename({ subject, factor, label }),
    );
    return { factor, label };
  }

  @JsonRoute('factors/remove', {
    summary: 'Removes an authenticator, or all recovery codes',
    body: RemoveFactorBody,
    answer: RemoveFactorAnswer,
    headers: [PROOF_HEADER],
    refusals: {
      ...COMMON_REFUSALS,
      ...UNPROVEN,
      ...UNKNOWN,
      409: [...LOST_PROOF_CODES, 'last-factor'],
    },
  })
  async remove(
    { factor, allowLast }: RemoveFactorBody,
    context: ExecutionContext,
  ): Promise<RemoveFactorAnswer> {
    const details = { change: 'remove', factor, ...(allowLast && { allowLast }) } as const;
    await this.changes.change(details, context, (factors, subject) =>
      factors.remove({ subject, factor, allowLast }),
    );
    return { factor, removed: true };
  }

  @JsonRoute('factors/recovery-codes', {
    summary: 'Replaces all recovery codes',
    body: NoMembersBody,
    answer: RecoveryCodesAnswer,
    headers: [PROOF_HEADER],
    refusals: { ...COMMON_REFUSALS, ...UNPROVEN, 409: [...LOST_PROOF_CODES, 'no-factor'] },
  })
  async recoveryCodes(_: NoMembersBody, context: ExecutionContext): Promise<RecoveryCodesAnswer> {
    const recoveryCodes = await this.changes.change(
      { change: 'recovery-codes' },
      context,
      (factors, subject) => factors.regenerateRecoveryCodes({ subject }),
    );
    return { recoveryCodes };
  }
}
