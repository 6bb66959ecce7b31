import { SenderBackend, TwoFactorRecipientError, type Delivery } from 'nestjs-two-factor';

import { PHONE } from '../accounts/phone.js';
import { InboxService } from './inbox.service.js';

/** Writes text messages into the inbox. Yours would call a gateway here, and pass `signal` on to it. */
@SenderBackend('sms', { verboseName: 'Text message' })
export class PretendSmsBackend implements SenderBackend {
  constructor(private readonly inbox: InboxService) {}

  send({ token, code, state }: Delivery): void {
    if (!PHONE.test(token)) throw new TwoFactorRecipientError('The token is no phone number.');
    const about = state.purpose === 'transfer' ? `${describe(state.details)}. ` : '';
    const text = `${code} is your Sample Bank code. ${about}Do not share it.`;
    this.inbox.add({ kind: 'sms', to: token, subject: '', text });
  }
}

/** What the code approves, so that nobody approves anything else by it. */
function describe(details: unknown): string {
  const { amount, payee } = details as { amount: unknown; payee: unknown };
  return `It pays ${String(amount)} to ${String(payee)}`;
}
