// One page without a framework: every section is in index.html, and the scripts show one at a time.

import { refreshAccount, showAccount } from './account.js';
import {
  byId,
  call,
  callWith,
  inLowerCase,
  isSignedOut,
  lastView,
  leave,
  onClick,
  onSubmit,
  say,
  show,
  showAway,
  tellRefusal,
} from './api.js';
import { showMessages } from './messages.js';
import { offerPasskeys } from './passkeys.js';
import { showSecurity } from './security.js';
import { begin, define, resume } from './tasks.js';

define('sign-up', {
  back: 'sign-up',
  isSignedOut: true,
  title: 'Confirm your address',
  request: ({ email }) => ({ purpose: 'sign-up', way: 'email', token: email }),
  passwordField: 'sign-up-password',
  restore: ({ email }) => {
    byId('sign-up-email').value = email;
  },
  finish: (confirmationId, { email }, password) =>
    call('POST', '/api/v1/accounts', { email, password, confirmationId }),
  done: (_, { email }) => {
    byId('sign-up-form').reset();
    // A password that was refused before the sign-up is not this customer's.
    byId('sign-in-form').reset();
    byId('sign-in-email').value = email;
    show('sign-in', byId('sign-in-password'));
    say('Your account is open. You can sign in now.');
  },
});

onSubmit(byId('sign-up-form'), ({ email, password }) =>
  begin('sign-up', { email: inLowerCase(email) }, password),
);

/** Two steps: the password, whose answer is a cookie that only allows to ask for a code, then the code. */
define('sign-in', {
  back: 'sign-in',
  isSignedOut: true,
  title: 'Confirm your sign-in',
  remembers: true,
  request: ({ way }) => ({ purpose: 'login', way }),
  finish: (confirmationId) =>
    callWith(confirmationId, 'POST', '/api/v1/sessions', { remember: byId('remember').checked }),
  done: async () => {
    byId('sign-in-form').reset();
    byId('remember').checked = false;
    await showAccount('You are signed in.');
  },
});

onSubmit(byId('sign-in-form'), async ({ email, password, way }) => {
  await call('POST', '/api/v1/sign-in', { email, password });
  await begin('sign-in', { email: inLowerCase(email), way });
});

onClick(byId('security-back'), () => showAccount(''));

onClick(byId('sign-out'), async () => {
  await call('DELETE', '/api/v1/sessions/current');
  leave();
  show('sign-in');
  say('You are signed out.');
});

byId('reload').addEventListener('click', () => location.reload());

for (const button of document.querySelectorAll('[data-show]')) {
  onClick(button, async () => show(button.dataset.show));
}

/** Where the customer was before a reload. */
async function restore() {
  const isSignedIn = await refreshAccount().then(
    () => true,
    (error) => {
      // Any other failure says nothing about the session, and must not end the task of a customer.
      if (!isSignedOut(error)) throw error;
      return false;
    },
  );
  if (await resume()) return;
  if (!isSignedIn) {
    show(lastView() === 'sign-up' ? 'sign-up' : 'sign-in');
  } else if (lastView() === 'security') await showSecurity('');
  else if (lastView() === 'app') {
    await showSecurity('The key of your app is no longer shown. Please add the app again.');
  } else if (lastView() === 'recovery') {
    await showSecurity('Your recovery codes are no longer shown. You can make new ones below.');
  } else await showAccount('');
}

async function start() {
  const { ways, passkeyOrigin, hasInbox, hasSwagger } = await call('GET', '/api/v1/offer');
  offerPasskeys(passkeyOrigin);
  byId('inbox-link').hidden = !hasInbox;
  byId('deliveries-link').hidden = !hasSwagger;
  byId('swagger-link').hidden = !hasSwagger;
  for (const part of document.querySelectorAll('[data-way]')) {
    part.hidden = !ways.some(({ name }) => name === part.dataset.way);
  }
  if (hasInbox) showMessages();
  await restore();
}

await start().catch((error) => {
  if (isSignedOut(error)) tellRefusal(error);
  else showAway();
});
