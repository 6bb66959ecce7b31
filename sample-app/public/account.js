// The account of a customer who is signed in.

import { byId, call, callWith, onClick, onSubmit, say, show } from './api.js';
import { confirm } from './code.js';

export async function showAccount(message) {
  await refreshAccount();
  show('account');
  say(message);
}

async function refreshAccount() {
  const [me, transfers, sessions] = await Promise.all([
    call('GET', '/api/v1/me'),
    call('GET', '/api/v1/transfers'),
    call('GET', '/api/v1/sessions'),
  ]);
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
  byId('end-others').hidden = sessions.length < 2;
}

function element(name, text, className = '') {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

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
  await call('DELETE', '/api/v1/sessions/others');
  await showAccount('All other browsers are signed out.');
});

// ---- Transfers ---------------------------------------------------------------------------------

/** `10`, `10,5` and `10.50` as the server wants it. It stays text all the way and never is a float. */
function canonicalAmount(text) {
  const [whole, cents = '00'] = text.trim().split(/[.,]/);
  return `${whole}.${cents}`;
}

let lastTransfer;

const pay = ({ details, confirmationId }) =>
  callWith(confirmationId, 'POST', '/api/v1/transfers', details);

onSubmit(byId('transfer-form'), async ({ payee, amount, way }) => {
  const details = { payee: payee.trim(), amount: canonicalAmount(amount) };
  const sum = `${details.amount} EUR`;
  await confirm(
    { purpose: 'transfer', way, details },
    {
      back: 'account',
      details: { Payee: details.payee, Amount: sum },
      onConfirmed: async (confirmationId) => {
        await pay({ details, confirmationId });
        lastTransfer = { details, confirmationId };
        byId('again').hidden = false;
        byId('transfer-form').reset();
        await showAccount(`Paid ${sum} to ${details.payee}.`);
      },
    },
  );
});

onClick(byId('again-button'), async () => {
  await pay(lastTransfer);
  say('That should not have worked.', true);
});

// ---- Phone number and password -----------------------------------------------------------------

/** Two codes: one to a contact that the bank knows already, and one to the new number. */
onSubmit(byId('phone-form'), async ({ phone, password, way }) => {
  const details = { phone };
  const asked = { back: 'account', details: { 'New number': phone } };
  const change = async (agreed, held) => {
    const body = { phone, password, phoneConfirmationId: held };
    await callWith(agreed, 'PUT', '/api/v1/me/phone', body);
    byId('phone-form').reset();
    await showAccount('Your phone number is changed. All other browsers are signed out.');
  };
  await confirm(
    { purpose: 'change-phone', way, details },
    {
      ...asked,
      step: 'First code of two, to agree to the change.',
      onConfirmed: (agreed) =>
        confirm(
          { purpose: 'new-phone', way: 'sms', token: phone },
          {
            ...asked,
            step: 'Second code of two, to the new number.',
            onConfirmed: (held) => change(agreed, held),
          },
        ),
    },
  );
});

onSubmit(byId('password-form'), async ({ password, newPassword, way }) => {
  await confirm(
    { purpose: 'change-password', way },
    {
      back: 'account',
      onConfirmed: async (confirmationId) => {
        const body = { password, newPassword };
        await callWith(confirmationId, 'PUT', '/api/v1/me/password', body);
        byId('password-form').reset();
        await showAccount('Your password is changed. All other browsers are signed out.');
      },
    },
  );
});
