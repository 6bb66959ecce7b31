import { isAscii } from 'class-validator';
import { TwoFactorRecipientError, type ConfirmationState, type Delivery } from 'nestjs-two-factor';
import type { EmailMessage } from 'nestjs-two-factor/backends/email';

/**
 * What a code approves, in one sentence, so that no customer approves something else by it. Only details that the
 * application has checked are printed, and only for the purposes that declare them. A stranger's text is in no message. A signed-in
 * customer, or a thief of a session, chooses the number and the payee in messages to the customer: at most 70 characters of an address
 * without blanks.
 */
export function purposeOf({ purpose, details }: ConfirmationState): string {
  const { amount, payee, phone, change, method } = (details ?? {}) as Readonly<
    Record<string, string>
  >;
  switch (purpose) {
    case 'sign-up':
      return 'It opens an account.';
    case 'login':
      return 'It signs you in.';
    case 'change-phone':
      return `It changes your phone number to ${phone}.`;
    case 'new-phone':
      return 'It makes this number yours at Sample Bank.';
    case 'change-password':
      return 'It changes your password.';
    case 'transfer':
      return `It pays ${amount} EUR to ${payee}.`;
    case 'factors':
      return factorChangeOf(change, method);
    default:
      throw new Error(`There is no message for the purpose ${purpose}. Add one in messages.ts.`);
  }
}

/** A code proves the first authenticator only. Once there is one, it proves every change itself. */
function factorChangeOf(change: string | undefined, method: string | undefined): string {
  switch (change) {
    case 'enrol':
      return method === 'passkey'
        ? 'It adds a passkey to your account.'
        : 'It adds an authenticator app to your account.';
    case 'rename':
      return 'It renames a way to confirm in your account.';
    case 'remove':
      return 'It removes a way to confirm from your account.';
    case 'recovery-codes':
      return 'It replaces your recovery codes.';
    default:
      throw new Error(`There is no message for the change ${change}. Add one in messages.ts.`);
  }
}

/**
 * The mail that brings a code. The code is not in the subject, which lock screens show.
 *
 * @throws TwoFactorRecipientError for an address beyond ASCII, which no customer has. `state.token` spells the mailbox of the full-width
 * letters ａｎｎ as ann, so that a code which that mailbox got would prove the one of Ann.
 */
export function composeCodeMail({ token, code, state, expiresInSeconds }: Delivery): EmailMessage {
  if (!isAscii(token)) throw new TwoFactorRecipientError('The token has letters beyond ASCII.');
  const minutes = Math.max(1, Math.round(expiresInSeconds / 60));
  const lines = [
    `Your code is ${code}`,
    '',
    `${purposeOf(state)} Enter it only if you want that.`,
    `It is valid for ${minutes} ${minutes === 1 ? 'minute' : 'minutes'}. Do not share it: the bank never asks for it by phone or message.`,
  ];
  return { subject: 'Your Sample Bank code', text: `${lines.join('\n')}\n` };
}
