import { SenderBackend, TwoFactorRecipientError, type Delivery } from 'nestjs-two-factor';

import { PHONE } from '../accounts/phone.js';
import { TextMessages } from '../notices/text-messages.js';
import { purposeOf } from './messages.js';

/** Sends codes by text message. A real gateway also takes the `signal` of the delivery, to stop in time. */
@SenderBackend('sms', { verboseName: 'Text message' })
export class SmsBackend implements SenderBackend {
  constructor(private readonly messages: TextMessages) {}

  async send({ token, code, state }: Delivery): Promise<void> {
    if (!PHONE.test(token)) throw new TwoFactorRecipientError('The token is no phone number.');
    const text = `${code} is your Sample Bank code. ${purposeOf(state)} Do not share it.`;
    await this.messages.send(token, text);
  }
}
