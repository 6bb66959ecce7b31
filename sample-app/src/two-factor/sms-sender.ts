import {
  defineSender,
  functionalSenderBackend,
  TwoFactorRecipientError,
  type Delivery,
  type SenderDefinition,
} from 'nestjs-two-factor';
import { failoverBackend } from 'nestjs-two-factor/failover';

import { PHONE } from '../accounts/phone.js';
import type { TextGateway } from '../notices/text-messages.js';
import { purposeOf } from './messages.js';

const VERBOSE_NAME = 'Text message';

/** Sends codes by text message. Of several gateways the next one is asked when the one before it fails. */
export function smsSender(gateways: readonly TextGateway[]): SenderDefinition {
  const [first, ...others] = gateways.map((gateway) => [gateway.name, senderOf(gateway)] as const);
  if (first === undefined) throw new Error('There is no gateway for text messages. Add one.');
  if (others.length === 0) return { ...first[1], verboseName: VERBOSE_NAME };
  return defineSender(failoverBackend, {
    options: { senders: Object.fromEntries([first, ...others]) },
    verboseName: VERBOSE_NAME,
  });
}

function senderOf(gateway: TextGateway): SenderDefinition {
  const send = async ({ token, code, state, signal }: Delivery): Promise<void> => {
    if (!PHONE.test(token)) throw new TwoFactorRecipientError('The token is no phone number.');
    const text = `${code} is your Sample Bank code. ${purposeOf(state)} Do not share it.`;
    await gateway.send({ to: token, text, confirmation: state.id, signal });
  };
  return { backend: functionalSenderBackend(send) };
}
