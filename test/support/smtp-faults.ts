import type { SmtpFault } from '../../lib/backends/email/smtp-answer.js';
import {
  TwoFactorConfigurationError,
  TwoFactorRecipientError,
  TwoFactorSendError,
  type TwoFactorError,
} from '../../lib/index.js';

interface Seen {
  /** The class of the error that the caller gets. */
  readonly type: new (...args: never[]) => TwoFactorError;
  /** The first words of the log, before those of the server. */
  readonly log: string;
}

/** What the caller and the log get of each fault of a mail server's answer, for a sender named `default`. */
export const SEEN: Readonly<Record<SmtpFault, Seen>> = {
  recipient: { type: TwoFactorRecipientError, log: 'The mail server refuses this address. (' },
  login: {
    type: TwoFactorConfigurationError,
    log: 'The mail server of sender default refuses the login. Check',
  },
  sender: {
    type: TwoFactorConfigurationError,
    log: 'The mail server of sender default refuses the address in its option from. Give',
  },
  relaying: {
    type: TwoFactorConfigurationError,
    log: 'The mail server of sender default refuses to pass mail on for this account. Give',
  },
  protocol: {
    type: TwoFactorConfigurationError,
    log: 'The mail server of sender default refuses a command. Check host, port',
  },
  policy: {
    type: TwoFactorConfigurationError,
    log: 'The mail server of sender default refuses the message by a rule of its own. Check',
  },
  rate: {
    type: TwoFactorSendError,
    log: 'The mail server limits how much may be sent. It answered: ',
  },
  transient: { type: TwoFactorSendError, log: '' },
};
