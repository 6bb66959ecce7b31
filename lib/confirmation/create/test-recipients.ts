import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';

import { TwoFactorConfigurationError } from '../../errors/index.js';
import { QuotaLedger } from '../../limits/index.js';
import type { ResolvedOptions } from '../../options/index.js';
import { InjectTwoFactorOptions } from '../../two-factor.tokens.js';
import { parseToken } from '../model/token.js';

type TestRecipient = NonNullable<ResolvedOptions['testRecipients']>[number];

/** The recipients whose codes are fixed by the option `testRecipients`, for the reviewers of an app store. */
@Injectable()
export class TestRecipients implements OnModuleInit {
  readonly #logger = new Logger('TwoFactorModule');
  /** The entries by the normalised spelling of their phone number or address; `null` without the option. */
  readonly #recipients: ReadonlyMap<string, TestRecipient> | null;

  /**
   * @throws TwoFactorConfigurationError for a phone number or address that no request can have, and for two entries of one
   * recipient.
   */
  constructor(
    private readonly ledger: QuotaLedger,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {
    const { testRecipients } = options;
    this.#recipients = testRecipients && this.#byToken(testRecipients);
  }

  onModuleInit(): void {
    const { clock, developmentFeatures, testRecipients } = this.options;
    for (const [index, { endsAt }] of (testRecipients ?? []).entries()) {
      const end = new Date(endsAt).toISOString();
      if (endsAt <= clock.now()) {
        this.#logger.warn(
          `testRecipients[${index}] has ended at ${end} and is an ordinary recipient now. Remove it.`,
        );
      } else if (!developmentFeatures) {
        this.#logger.warn(`testRecipients[${index}] has a fixed code in production until ${end}.`);
      }
    }
  }

  /** The fixed code of a recipient for a purpose; `null` for a recipient that is sent a drawn code. */
  codeOf(token: string | undefined, purpose: string): string | null {
    if (this.#recipients === null || token === undefined) return null;
    const recipient = this.#recipients.get(this.ledger.planner.normalize(token));
    if (recipient === undefined || !recipient.purposes.has(purpose)) return null;
    return this.options.clock.now() < recipient.endsAt ? recipient.readCode() : null;
  }

  #byToken(recipients: readonly TestRecipient[]): ReadonlyMap<string, TestRecipient> {
    const byToken = new Map<string, TestRecipient>();
    for (const [index, recipient] of recipients.entries()) {
      const token = this.ledger.planner.normalize(readToken(recipient, index));
      if (byToken.has(token)) {
        throw new TwoFactorConfigurationError(
          `Option testRecipients[${index}] is a recipient that stands before it in the list. Give one entry with all purposes.`,
        );
      }
      byToken.set(token, recipient);
    }
    return byToken;
  }
}

function readToken({ token }: TestRecipient, index: number): string {
  try {
    return parseToken(token);
  } catch {
    throw new TwoFactorConfigurationError(
      `Option testRecipients[${index}].token is refused in a request, so that no request could use it. Give an address or a number.`,
    );
  }
}
