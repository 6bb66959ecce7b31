// The account of a customer who is signed in.

import {
  byId,
  call,
  callWith,
  complain,
  element,
  inLowerCase,
  isSignedOut,
  onClick,
  onLeave,
  onSubmit,
  RECOVERY_CODES_STAY,
  say,
  show,
  showAway,
} from './api.js';
import { begin, define, enter, proven } from './tasks.js';

let account;

/**
 * @param message what was done. It is also said when the account cannot be read: a customer who reads only of that failure would do it
 * again.
 */
export async function showAccount(message) {
  try {
    await refreshAccount();
  } catch (error) {
    if (message === '' || isSignedOut(error)) throw error;
    showAway(message);
    return;
  }
  show('account');
  say(message);
}

export async function refreshAccount() {
  const me = await call('GET', '/api/v1/me');
  const [transfers, sessions] = await Promise.all([
    call('GET', '/api/v1/transfers'),
    call('GET', '/api/v1/sessions'),
  ]);
  account = me;
  enter(me);
  byId('account-email').textContent = me.email;
  byId('balance').textContent = `${me.balance} EUR`;
  byId('phone').textContent = me.phone ?? 'None yet. With one, codes can come as text messages.';
  for (const bySms of byId('account').querySelectorAll('[value=sms]')) {
    bySms.disabled = me.phone === null;
    if (bySms.disabled) bySms.form.querySelector('[value=email]').checked = true;
  }
  byId('transfers').replaceChildren(...transfers.map(transferItem));
  byId('no-transfers').hidden = transfers.length > 0;
  byId('sessions').replaceChildren(...sessions.map(sessionItem));
}

onLeave(() => {
  account = undefined;
  lastTransfer = undefined;
  for (const id of ['account-email', 'balance', 'phone', 'transfers', 'sessions']) {
    byId(id).replaceChildren();
  }
  byId('again').hidden = true;
});

function transferItem({ direction, counterparty, amount, createdAt }) {
  const day = new Date(createdAt).toLocaleDateString();
  const item = document.createElement('li');
  item.append(
    element('span', `${day} ${direction === 'out' ? 'to' : 'from'} ${counterparty}`),
    element('span', `${direction === 'out' ? '−' : '+'}${amount} EUR`, 'amount'),
  );
  return item;
}

function sessionItem({ id, device, createdAt, isCurrent }) {
  const since = new Date(createdAt).toLocaleString();
  const item = document.createElement('li');
  item.append(element('span', device));
  item.append(element('span', isCurrent ? 'This browser' : `Since ${since}`, 'hint'));
  if (isCurrent) return item;
  const button = element('button', 'Sign out', 'link');
  button.type = 'button';
  button.ariaLabel = `Sign out the browser since ${since}`;
  onClick(button, async () => {
    await call('DELETE', `/api/v1/sessions/${id}`);
    await showAccount('That browser is signed out.');
  });
  item.append(button);
  return item;
}

onClick(byId('end-others'), async () => {
  const { newer } = await call('DELETE', '/api/v1/sessions/others');
  await showAccount(
    newer === 0
      ? 'All other browsers are signed out.'
      : `Browsers that signed in before this one are signed out. Newer ones: ${newer}. Sign in again, or change your password, to end newer sessions.`,
  );
});

// ---- Transfers ---------------------------------------------------------------------------------

/** `10`, `10,5` and `10.50` as the server wants it. It stays text all the way and never is a float. */
function canonicalAmount(text) {
  const [whole, cents = ''] = text.trim().split(/[.,]/);
  return `${whole}.${cents.padEnd(2, '0')}`;
}

const centsOf = (amount) => Number(amount.replace('.', ''));

/** What is wrong with a transfer can be said before a code is sent for it. The server checks the amount again. */
function flawOf({ payee, amount }) {
  const cents = centsOf(amount);
  if (inLowerCase(payee) === account.email) return ['transfer-payee', 'That is your own address.'];
  if (cents === 0) return ['transfer-amount', 'Enter more than nothing.'];
  if (cents > centsOf(account.balance)) {
    return ['transfer-amount', `You have ${account.balance} EUR.`];
  }
  return null;
}

let lastTransfer;

const pay = ({ details, confirmationId }) =>
  callWith(confirmationId, 'POST', '/api/v1/transfers', details);

define('transfer', {
  back: 'account',
  title: 'Confirm the transfer',
  shown: ({ payee, amount }) => ({ Payee: payee, Amount: `${amount} EUR` }),
  request: ({ way, payee, amount }) => ({ purpose: 'transfer', way, details: { payee, amount } }),
  restore: ({ payee, amount }) => {
    byId('transfer-payee').value = payee;
    byId('transfer-amount').value = amount;
  },
  finish: async (confirmationId, { payee, amount }) => {
    const transfer = { details: { payee, amount }, confirmationId };
    await pay(transfer);
    return transfer;
  },
  done: async (transfer, { payee, amount }) => {
    lastTransfer = transfer;
    byId('again').hidden = false;
    byId('transfer-form').reset();
    await showAccount(`Paid ${amount} EUR to ${payee}.`);
  },
  lookUp: async (confirmationId) => {
    // The list has the newest transfers only, so that one that it does not have may be paid all the same.
    const query = new URLSearchParams({ confirmationId });
    const isPaid = (await call('GET', `/api/v1/transfers?${query}`)).length > 0;
    await refreshAccount();
    if (isPaid) byId('transfer-form').reset();
    return isPaid;
  },
  doneBefore: 'This was done before. Look at your transfers.',
  nameOnce: (data) =>
    data === undefined
      ? 'A transfer from before you signed out'
      : `Your transfer of ${data.amount} EUR to ${data.payee}`,
});

onSubmit(byId('transfer-form'), async ({ payee, amount, way }) => {
  const details = { payee: payee.trim(), amount: canonicalAmount(amount) };
  for (const id of ['transfer-payee', 'transfer-amount']) complain(byId(id), '');
  const flaw = flawOf(details);
  if (flaw === null) await begin('transfer', { ...details, way });
  else complain(byId(flaw[0]), flaw[1]);
});

onClick(byId('again-button'), async () => {
  await pay(lastTransfer);
  say('That should not have worked.', true);
});

// ---- Phone number and password -----------------------------------------------------------------

const shownPhone = ({ phone }) => ({ 'New number': phone });

const restorePhone = ({ phone }) => {
  byId('phone-input').value = phone;
};

/** Two codes: one to a contact that the bank knows already, and one to the new number. */
define('phone', {
  back: 'account',
  title: 'Agree to the change',
  step: 'First code of two, to agree to the change.',
  shown: shownPhone,
  restore: restorePhone,
  request: ({ phone, way }) => ({ purpose: 'change-phone', way, details: { phone } }),
  finish: (agreed, { phone }, password) => begin('new-phone', { phone, agreed }, password),
});

define('new-phone', {
  back: 'account',
  title: 'Confirm the new number',
  step: 'Second code of two, to the new number.',
  shown: shownPhone,
  request: ({ phone }) => ({ purpose: 'new-phone', way: 'sms', token: phone }),
  passwordField: 'phone-password',
  restore: restorePhone,
  finish: async (held, { phone, agreed }, password) => {
    const body = { phone, password, phoneConfirmationId: held };
    await callWith(agreed, 'PUT', '/api/v1/me/phone', body);
  },
  done: async () => {
    byId('phone-form').reset();
    await showAccount('Your phone number is changed. All other browsers are signed out.');
  },
  lookUp: async (_, { phone }) => {
    await refreshAccount();
    return account.phone === phone;
  },
  doneBefore: 'This was done before. Look at your phone number.',
  unsure: 'Your phone number may have been changed. Please sign in again and look.',
});

onSubmit(byId('phone-form'), ({ phone, password, way }) => {
  const half = proven('new-phone');
  return half?.phone === phone
    ? begin('new-phone', half, password)
    : begin('phone', { phone, way }, password);
});

define('password', {
  back: 'account',
  title: 'Confirm the new password',
  request: ({ way }) => ({ purpose: 'change-password', way }),
  passwordField: 'old-password',
  finish: async (confirmationId, _, { password, newPassword }) => {
    await callWith(confirmationId, 'PUT', '/api/v1/me/password', { password, newPassword });
  },
  done: async () => {
    byId('password-form').reset();
    await showAccount(
      `Your password is changed. All other browsers are signed out. ${RECOVERY_CODES_STAY}`,
    );
  },
  unsure: 'Your password may have been changed. Please sign in, and try the new one first.',
});

onSubmit(byId('password-form'), ({ password, newPassword, way }) =>
  begin('password', { way }, { password, newPassword }),
);
