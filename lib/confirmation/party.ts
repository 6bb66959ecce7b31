import { openEnvelope, shortId, type KeyRing } from '../crypto/index.js';
import type { ConfirmationFacts } from '../events/index.js';
import type { LimitedParty, LimitService } from '../limits/index.js';
import type { Clock } from '../options/index.js';
import type { ConfirmationRow } from './confirmation-record.entity.js';
import { maskToken } from './mask-token.js';

/** What the limits and the events are told about a confirmation. */
export class PartyReader {
  constructor(
    private readonly keyRing: KeyRing,
    private readonly clock: Clock,
    private readonly limits: LimitService,
  ) {}

  /** The token is in the envelope alone; one that no longer opens has none. */
  partyOf(row: Pick<ConfirmationRow, 'id' | 'purpose' | 'subject' | 'envelope'>): LimitedParty {
    const { id, purpose, subject, envelope } = row;
    const sealed =
      envelope === null ? null : openEnvelope(this.keyRing, envelope, { id, purpose, subject });
    return { purpose, subject, token: sealed?.token ?? null };
  }

  facts(
    { id, way }: { readonly id: string; readonly way: string },
    { token, purpose, subject }: LimitedParty,
  ): ConfirmationFacts {
    return {
      at: new Date(this.clock.now()),
      confirmation: id === '' ? '' : shortId(id),
      purpose,
      subject,
      way,
      recipient:
        token === null
          ? null
          : Object.freeze({ masked: maskToken(token), key: this.limits.tokenKey(token) }),
    };
  }
}
