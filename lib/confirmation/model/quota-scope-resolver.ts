import { Injectable } from '@nestjs/common';

import { openEnvelope, type EnvelopeContent } from '../../crypto/index.js';
import type { QuotaScope } from '../../limits/index.js';
import type { ResolvedOptions } from '../../options/index.js';
import { InjectTwoFactorOptions } from '../../two-factor.tokens.js';
import type { ConfirmationRow } from './confirmation-record.entity.js';

/**
 * The subject, the phone number or address and the purpose of a stored confirmation, by which the limits count it and the events
 * name it.
 */
@Injectable()
export class QuotaScopeResolver {
  constructor(@InjectTwoFactorOptions() private readonly options: ResolvedOptions) {}

  /** Only the envelope has the phone number or address; it is unknown when the envelope can no longer be opened. */
  scopeOf(row: Pick<ConfirmationRow, 'id' | 'purpose' | 'subject' | 'envelope'>): QuotaScope {
    const { id, purpose, subject, envelope } = row;
    const sealed =
      envelope === null
        ? null
        : openEnvelope(this.options.keyRing, envelope, { id, purpose, subject });
    return scopeOfContent(row, sealed);
  }
}

/** The scope of a confirmation, by its row and the opened content of its envelope. */
export function scopeOfContent(
  { purpose, subject }: Pick<ConfirmationRow, 'purpose' | 'subject'>,
  content: Omit<EnvelopeContent, 'code'> | null,
): QuotaScope {
  return {
    token: content?.token ?? null,
    tokenFrom: content?.tokenFrom ?? 'application',
    subject,
    purpose,
    hasSlot: content?.hasSlot ?? false,
  };
}
