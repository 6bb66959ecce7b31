/** What changed in an account. */
export type Change =
  | { readonly what: 'phone'; readonly from: string | null; readonly to: string }
  | { readonly what: 'password' }
  | { readonly what: 'sessions' }
  | {
      readonly what: 'factors';
      /** Sentences without their time: `A passkey was added`. */
      readonly changes: readonly string[];
    };

export interface NoticeText {
  readonly subject: string;
  readonly text: string;
}

/**
 * The mail to the owner: what changed, when, and what to do. It has no link, because customers who expect links in such
 * mails follow those of a thief as well.
 */
export function changeMail(change: Change, at: Date): NoticeText {
  const [subject, sentence] = sentenceOf(change);
  const lines = [
    `${sentence} at ${at.toISOString().slice(0, 16).replace('T', ' ')} UTC.`,
    ...(endsSessions(change) ? ['All other browsers were signed out.'] : []),
    '',
    'If that was you, there is nothing to do.',
    'If it was not you, call the number on the back of your bank card now.',
    'Then sign in, change your password, and look at the list of signed-in browsers.',
    'Under Security, remove what you do not know and make new recovery codes: a new password leaves those of a thief valid.',
    'Do not answer this mail, and give no code to anyone who calls you.',
  ];
  return { subject, text: `${lines.join('\n')}\n` };
}

/** Whether the change itself has ended all other sessions. */
function endsSessions({ what }: Change): boolean {
  return what === 'password' || what === 'phone';
}

/** The text message to the number that was replaced: a thief who changed it does not hold that phone. */
export function oldNumberMessage(): string {
  return (
    'This number was removed from your Sample Bank account. ' +
    'If that was not you, call the number on the back of your bank card now.'
  );
}

function sentenceOf(change: Change): [subject: string, sentence: string] {
  if (change.what === 'password') {
    return ['Your Sample Bank password was changed', 'Your password was changed'];
  }
  if (change.what === 'sessions') {
    return ['Browsers were signed out of Sample Bank', 'Browsers were signed out of your account'];
  }
  if (change.what === 'factors') {
    return ['The security of your Sample Bank account was changed', change.changes.join('. ')];
  }
  const { from, to } = change;
  return from === null
    ? ['A phone number was added to Sample Bank', `The phone number ${masked(to)} was added`]
    : [
        'Your Sample Bank phone number was changed',
        `Your phone number was changed from ${masked(from)} to ${masked(to)}`,
      ];
}

/** Enough for its owner to know it. */
function masked(phone: string): string {
  return `${'*'.repeat(phone.length - 3)}${phone.slice(-3)}`;
}
