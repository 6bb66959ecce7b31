// One page without a framework: every section is in index.html, and the scripts show one at a time.

import { showAccount } from './account.js';
import { byId, call, callWith, onClick, onSubmit, say, show } from './api.js';
import { confirm } from './code.js';

onSubmit(byId('sign-up-form'), async ({ email, password }) => {
  const address = email.trim().toLowerCase();
  await confirm(
    { purpose: 'sign-up', way: 'email', token: address },
    {
      back: 'sign-up',
      onConfirmed: async (confirmationId) => {
        await call('POST', '/api/v1/accounts', { email: address, password, confirmationId });
        byId('sign-up-form').reset();
        byId('sign-in-email').value = address;
        show('sign-in', byId('sign-in-password'));
        say('Your account is open. You can sign in now.');
      },
    },
  );
});

/** Two steps: the password, whose answer is a cookie that only allows to ask for a code, then the code. */
onSubmit(byId('sign-in-form'), async ({ email, password, way }) => {
  await call('POST', '/api/v1/sign-in', { email, password });
  await confirm(
    { purpose: 'login', way },
    {
      back: 'sign-in',
      onConfirmed: async (confirmationId) => {
        await callWith(confirmationId, 'POST', '/api/v1/sessions', {});
        byId('sign-in-form').reset();
        await showAccount('You are signed in.');
      },
    },
  );
});

onClick(byId('sign-out'), async () => {
  await call('DELETE', '/api/v1/sessions/current');
  byId('again').hidden = true;
  show('sign-in');
  say('You are signed out.');
});

for (const button of document.querySelectorAll('[data-show]')) {
  button.addEventListener('click', () => {
    say('');
    show(button.dataset.show);
  });
}

const { ways, hasInbox, hasSwagger } = await call('GET', '/api/v1/offer');
byId('inbox-link').hidden = !hasInbox;
byId('swagger-link').hidden = !hasSwagger;
for (const part of document.querySelectorAll('[data-way]')) {
  part.hidden = !ways.some(({ name }) => name === part.dataset.way);
}
await showAccount('').catch(() => show('sign-in'));
