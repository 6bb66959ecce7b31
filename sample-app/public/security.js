// The authenticator app, the passkeys, the recovery codes and the remembered browsers of a customer. Each change needs a proof for
// exactly that change.

import {
  byId,
  complain,
  element,
  isSignedOut,
  onClick,
  onLeave,
  onSubmit,
  RECOVERY_CODES_STAY,
  say,
  show,
  showAway,
  valueOf,
} from './api.js';
import { client } from './client.js';
import { canUsePasskeys, passkeyOrigin } from './passkeys.js';
import { drawQrCode } from './qr-code.js';
import { begin, customerEmail, define } from './tasks.js';

const NAMES = {
  totp: 'Authenticator app',
  passkey: 'Passkey',
  recovery: 'Recovery codes',
  device: 'Remembered browser',
};
/** What an authenticator app or a passkey shows beside the name of the bank. */
const accountName = () => customerEmail().slice(0, 64);

const nameOf = ({ method, label }) => label || NAMES[method];

/** @param message what was done. It is also said when the list cannot be read afterwards. */
export async function showSecurity(message) {
  try {
    await refreshSecurity();
  } catch (error) {
    if (message === '' || isSignedOut(error)) throw error;
    showAway(message);
    return;
  }
  show('security');
  say(message);
}

async function refreshSecurity() {
  const { factors } = valueOf(await client.factors.list());
  const strong = factors.filter(({ method }) => method === 'totp' || method === 'passkey');
  const devices = factors.filter(({ method }) => method === 'device');
  const recovery = factors.find(({ method }) => method === 'recovery');
  byId('factors').replaceChildren(
    ...strong.map((factor) => factorItem(factor, strong.length === 1)),
  );
  byId('no-factors').hidden = strong.length > 0;
  byId('devices').replaceChildren(...devices.map((factor) => factorItem(factor, false)));
  byId('no-devices').hidden = devices.length > 0;
  byId('recovery-area').hidden = strong.length === 0;
  byId('recovery-left').textContent = recovery
    ? `Codes left: ${recovery.left}, made on ${new Date(recovery.createdAt).toLocaleString()}. If you did not make them, make new ones.`
    : 'Codes left: 0';
  byId('passkey-form').hidden = !canUsePasskeys();
  byId('passkey-elsewhere').hidden = canUsePasskeys() || passkeyOrigin() === null;
}

onLeave(() => {
  pending = undefined;
  begunPasskey = undefined;
  for (const id of ['factors', 'devices', 'recovery-codes', 'recovery-left']) {
    byId(id).replaceChildren();
  }
  forgetSecret();
});

/** A change that is confirmed first. What it asks for and what it shows is in its data. */
const change = (name, title, { finish, done }) =>
  define(name, {
    back: 'security',
    title,
    shown: ({ shown }) => shown,
    // What the customer sees after a cancellation or a refusal.
    restore: refreshSecurity,
    request: ({ details }) => ({ purpose: 'factors', details }),
    finish: async (proof, data) => valueOf(await finish(proof, data)),
    done,
    lookUp: async () => {
      await refreshSecurity();
      return true;
    },
    // The answer that was lost may have had a secret or codes, which are shown once.
    doneBefore:
      'This confirmation is used. If what you wanted is missing here, please start again.',
  });

function linkButton(text, label, work) {
  const button = element('button', text, 'link');
  button.type = 'button';
  button.ariaLabel = label;
  onClick(button, work);
  return button;
}

function factorItem(factor, isLast) {
  const { method, createdAt, lastUsedAt, expiresAt, isSynced } = factor;
  const name = nameOf(factor);
  // The heading says already what a remembered browser is.
  const since = method === 'device' ? 'Remembered' : `${NAMES[method]}, added`;
  const facts = [`${since} ${new Date(createdAt).toLocaleDateString()}`];
  if (expiresAt) facts.push(`until ${new Date(expiresAt).toLocaleDateString()}`);
  if (lastUsedAt !== null) facts.push(`last used ${new Date(lastUsedAt).toLocaleString()}`);
  if (isSynced) facts.push('on several devices');
  const item = document.createElement('li');
  item.append(element('span', name), element('span', facts.join(', '), 'hint'));
  if (method === 'device') {
    item.append(linkButton('Forget', `Forget ${name}`, () => remove(factor, false)));
    return item;
  }
  item.append(
    linkButton('Rename', `Rename ${name}`, async () => renameIn(item, factor)),
    linkButton('Remove', `Remove ${name}`, () => remove(factor, isLast)),
  );
  return item;
}

function renameIn(item, factor) {
  const form = document.createElement('form');
  const label = element('label', `New name of ${nameOf(factor)}`);
  const input = document.createElement('input');
  const save = element('button', 'Rename');
  input.id = `name-${factor.id}`;
  label.htmlFor = input.id;
  Object.assign(input, { name: 'label', value: factor.label, maxLength: 64, required: true });
  input.autocomplete = 'off';
  save.type = 'submit';
  const cancel = linkButton('Cancel', `Cancel: keep the name ${nameOf(factor)}`, () =>
    showSecurity(''),
  );
  form.append(label, input, save, cancel);
  item.replaceChildren(form);
  onSubmit(form, ({ label: given }) =>
    begin('rename', {
      details: { change: 'rename', factor: factor.id },
      shown: { Rename: nameOf(factor), To: given.trim() },
      label: given.trim(),
    }),
  );
  input.focus();
}

change('rename', 'Confirm the new name', {
  finish: (proof, { details: { factor }, label }) =>
    client.factors.rename({ factor, label }, { proof }),
  done: () => showSecurity('The name is changed.'),
});

function remove(factor, isLast) {
  const name = nameOf(factor);
  const shown = { [factor.method === 'device' ? 'Forget' : 'Remove']: name };
  // The customer sees what is lost before the proof is given.
  if (isLast) {
    shown['What is left'] =
      'Codes by message. Your recovery codes become void. No browser is remembered.';
  }
  const details = { change: 'remove', factor: factor.id, ...(isLast && { allowLast: true }) };
  const done = factor.method === 'device' ? 'is forgotten' : 'is removed';
  return begin('remove', { details, shown, isLast, done: `${name} ${done}.` });
}

change('remove', 'Confirm the removal', {
  finish: (proof, { details: { factor }, isLast }) =>
    client.factors.remove({ factor, allowLast: isLast }, { proof }),
  done: (_, { done }) => showSecurity(done),
});

// ---- Authenticator app -------------------------------------------------------------------------

/** The enrolment that waits for its first code. */
let pending;

onSubmit(byId('app-form'), ({ label }) =>
  begin('add-app', {
    details: { change: 'enrol', method: 'totp' },
    shown: { Add: 'Authenticator app' },
    label: label.trim(),
  }),
);

change('add-app', 'Confirm the new app', {
  finish: (proof, { label }) =>
    client.factors.enrol({ method: 'totp', label, account: accountName() }, { proof }),
  done: ({ factor, uri, secret }) => {
    pending = factor.id;
    drawQrCode(byId('app-qr'), uri);
    byId('app-link').href = uri;
    byId('app-secret').textContent = secret.match(/.{1,4}/g).join(' ');
    byId('app-code').value = '';
    complain(byId('app-code'), '');
    byId('app-form').reset();
    show('app', byId('app-title'));
  },
});

/** The secret is shown once, and stays in the page no longer than it is needed. */
function forgetSecret() {
  byId('app-qr').querySelector('path').removeAttribute('d');
  byId('app-link').removeAttribute('href');
  byId('app-secret').textContent = '';
}

onSubmit(byId('app-code-form'), async ({ code }) => {
  const body = { factor: pending, response: code.replaceAll(/\s/g, '') };
  const activated = await client.factors.activate(body);
  if (activated.problem?.error === 'code-mismatch') {
    complain(byId('app-code'), 'The code is wrong. Enter the one that the app shows now.');
    byId('app-code').select();
    return;
  }
  const { recoveryCodes } = valueOf(activated);
  forgetSecret();
  const added = 'Your authenticator app is added.';
  // Without new codes it has taken the place of another one, whose recovery codes are as they were.
  await showActivated(recoveryCodes, recoveryCodes ? added : `${added} ${RECOVERY_CODES_STAY}`);
});

onClick(byId('app-cancel'), async () => {
  forgetSecret();
  await showSecurity('Cancelled.');
});

// ---- Passkeys ----------------------------------------------------------------------------------

/** The enrolment whose dialog of the browser the customer has closed. It lives for 15 minutes, and needs no second proof. */
let begunPasskey;

async function finishPasskey() {
  const finished = await client.factors.finishPasskey(begunPasskey);
  if (finished.problem?.error !== 'passkey-unanswered') begunPasskey = undefined;
  return finished;
}

async function showNewPasskey({ recoveryCodes }) {
  byId('passkey-form').reset();
  await showActivated(recoveryCodes, 'Your passkey is added.');
}

onSubmit(byId('passkey-form'), async ({ label }) => {
  if (begunPasskey?.factor.label === label.trim()) {
    await showNewPasskey(valueOf(await finishPasskey()));
    return;
  }
  await begin('add-passkey', {
    details: { change: 'enrol', method: 'passkey' },
    shown: { Add: 'Passkey' },
    label: label.trim(),
  });
});

change('add-passkey', 'Confirm the new passkey', {
  finish: async (proof, { label }) => {
    const body = { method: 'passkey', label, account: accountName() };
    const enrolled = await client.factors.enrol(body, { proof });
    if (!enrolled.ok) return enrolled;
    begunPasskey = enrolled.value;
    return finishPasskey();
  },
  done: showNewPasskey,
});

// ---- Recovery codes ----------------------------------------------------------------------------

async function showActivated(recoveryCodes, message) {
  if (recoveryCodes === undefined) await showSecurity(message);
  else showRecoveryCodes(recoveryCodes, message);
}

function showRecoveryCodes(codes, message) {
  byId('recovery-codes').replaceChildren(
    ...codes.map((code) => {
      const item = document.createElement('li');
      item.append(element('code', code));
      return item;
    }),
  );
  show('recovery');
  say(message);
}

/** A reload loses what is shown once, so that the browser asks first. */
addEventListener('beforeunload', (event) => {
  if (byId('recovery-codes').childElementCount > 0) event.preventDefault();
});

onClick(byId('recovery-new'), () =>
  begin('new-recovery-codes', {
    details: { change: 'recovery-codes' },
    shown: { Replace: 'All recovery codes' },
  }),
);

change('new-recovery-codes', 'Confirm new recovery codes', {
  finish: (proof) => client.factors.recoveryCodes({ proof }),
  done: ({ recoveryCodes }) =>
    showRecoveryCodes(recoveryCodes, 'You have new recovery codes. The former ones are void.'),
});

onClick(byId('recovery-copy'), async () => {
  const codes = [...byId('recovery-codes').children].map(({ textContent }) => textContent);
  try {
    await navigator.clipboard.writeText(`${codes.join('\n')}\n`);
  } catch {
    throw new Error(
      'This browser does not allow copying. Please print the codes or write them down.',
    );
  }
  say('The codes are copied.');
});

byId('recovery-print').addEventListener('click', () => window.print());

onClick(byId('recovery-done'), async () => {
  byId('recovery-codes').replaceChildren();
  await showSecurity('');
});

for (const button of document.querySelectorAll('[data-security]')) {
  onClick(button, () => showSecurity(''));
}
