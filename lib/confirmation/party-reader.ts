import { Injectable } from '@nestjs/common';

import { openEnvelope } from '../crypto/index.js';
import type { LimitedParty } from '../limits/index.js';
import type { ResolvedOptions } from '../options/index.js';
import { InjectTwoFactorOptions } from '../two-factor.tokens.js';
import type { ConfirmationRow } from './confirmation-record.entity.js';

/** Whom a stored confirmation is about, for the limits and the events. */
@Injectable()
export class PartyReader {
  constructor(@InjectTwoFactorOptions() private readonly options: ResolvedOptions) {}

  /** The token is in the envelope alone; one that no longer opens has none. */
  partyOf(row: Pick<ConfirmationRow, 'id' | 'purpose' | 'subject' | 'envelope'>): LimitedParty {
    const { id, purpose, subject, envelope } = row;
    const sealed =
      envelope === null
        ? null
        : openEnvelope(this.options.keyRing, envelope, { id, purpose, subject });
    return { purpose, subject, token: sealed?.token ?? null };
  }
}
