import { Injectable } from '@nestjs/common';

import { openEnvelope, type Sealed } from '../crypto/index.js';
import type { LimitedParty } from '../limits/index.js';
import type { ResolvedOptions } from '../options/index.js';
import { InjectTwoFactorOptions } from '../two-factor.tokens.js';
import type { ConfirmationRow } from './confirmation-record.entity.js';

/** What a stored confirmation is about, for the limits and the events. */
@Injectable()
export class PartyReader {
  constructor(@InjectTwoFactorOptions() private readonly options: ResolvedOptions) {}

  /** The token is in the envelope alone; an envelope that can no longer be opened has none. */
  partyOf(row: Pick<ConfirmationRow, 'id' | 'purpose' | 'subject' | 'envelope'>): LimitedParty {
    const { id, purpose, subject, envelope } = row;
    const sealed =
      envelope === null
        ? null
        : openEnvelope(this.options.keyRing, envelope, { id, purpose, subject });
    return partyOfContent(row, sealed);
  }
}

/** What a confirmation is about, by its row and the opened content of its envelope. */
export function partyOfContent(
  { purpose, subject }: Pick<ConfirmationRow, 'purpose' | 'subject'>,
  content: Omit<Sealed, 'code'> | null,
): LimitedParty {
  return {
    token: content?.token ?? null,
    tokenFrom: content?.tokenFrom ?? 'application',
    subject,
    purpose,
    hasSlot: content?.hasSlot ?? false,
  };
}
