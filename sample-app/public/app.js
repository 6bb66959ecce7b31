// One page, no framework: every section is in index.html, and this shows one at a time.

const TWO_FACTOR = '/api/v1/auth/2factor';
const byId = (id) => document.getElementById(id);
const status = byId('status');
const SECTIONS = ['sign-in', 'sign-up', 'code', 'account'];

/** What the refusals mean for people; their stable names are in the README of nestjs-two-factor. */
const WORDS = {
  'invalid-request': 'That cannot be right. Please check it.',
  'no-subject': 'That is not possible for this account.',
  'confirmation-required': 'This needs a new code. Please start again.',
  'confirmation-used': 'Refused: this confirmation is already used.',
  'not-found': 'This code is no longer known. Please start again.',
  'already-confirmed': 'This code is already confirmed.',
  'already-used': 'This code is already used.',
  expired: 'The code has expired. Please start again.',
  'attempts-exhausted': 'All attempts are spent. Please start again.',
  cancelled: 'The code was cancelled. Please start again.',
  'unknown-key': 'The code can no longer be checked. Please start again.',
  'recipient-not-allowed': 'No code can be sent there.',
  'send-failed': 'The code could not be sent. Please try again in a moment.',
};

class Refusal extends Error {
  constructor(response, body) {
    const words = WORDS[body.error] ?? body.title ?? [body.message].flat().join('. ');
    super(words || 'Something went wrong. Please try again.');
    this.status = response.status;
    this.body = body;
  }
}

/** How far the server's clock is ahead of ours, if they differ by more than the header's whole seconds can tell. */
let aheadMs = 0;

async function call(method, path, body, headers = {}) {
  const response = await fetch(path, {
    method,
    headers: { ...(body && { 'Content-Type': 'application/json' }), ...headers },
    ...(body && { body: JSON.stringify(body) }),
  }).catch(() => {
    throw new Error('The server does not answer. Please try again.');
  });
  const ahead = Date.parse(response.headers.get('Date') ?? '') - Date.now();
  aheadMs = Math.abs(ahead) > 2_000 ? ahead : 0;
  const text = await response.text();
  const answer = text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : {};
  if (!response.ok) throw new Refusal(response, answer);
  return answer;
}

function say(text, isRefusal = false) {
  status.textContent = text;
  status.classList.toggle('refused', isRefusal);
}

/** Shows one section and moves the focus there, so that a screen reader reads on from it. */
function show(name, focus = byId(`${name}-title`)) {
  for (const section of SECTIONS) byId(section).hidden = section !== name;
  document.title = `${byId(`${name}-title`).textContent} - Sample Bank`;
  focus.focus();
}

function tellRefusal(error) {
  if (error.body?.message === 'Please sign in.') show('sign-in');
  say(error.message, true);
}

function onClick(button, work) {
  button.addEventListener('click', () => void work().catch(tellRefusal));
}

/** A submit handler that runs once at a time and tells what went wrong. */
function onSubmit(form, work) {
  const button = form.querySelector('[type=submit]');
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (button.ariaDisabled === 'true') return;
    button.ariaDisabled = 'true';
    try {
      await work(Object.fromEntries(new FormData(form)));
    } catch (error) {
      tellRefusal(error);
    } finally {
      button.ariaDisabled = null;
    }
  });
}

// ---- The code: one form for every purpose ------------------------------------------------------

/** The confirmation that is asked for now: what the server answered, what to do with it, and where to go back to. */
let asked;
let ticking;

function askForCode(request, { back, details = {}, onConfirmed }) {
  asked = { ...request, back, onConfirmed };
  const names = Object.entries(details).flatMap(([name, value]) => {
    const [term, description] = [document.createElement('dt'), document.createElement('dd')];
    term.textContent = name;
    description.textContent = value;
    return [term, description];
  });
  byId('code-details').replaceChildren(...names);
  byId('code-details').hidden = names.length === 0;
  byId('code-sent').textContent =
    `We sent a code of ${request.codeLength} characters to ${request.maskedToken}.`;
  byId('code-input').value = '';
  complain('');
  showAttempts(request.attemptsLeft);
  say('');
  show('code', byId('code-input'));
  clearInterval(ticking);
  ticking = setInterval(tick, 1_000);
  tick();
}

function complain(text) {
  byId('code-error').textContent = text;
  byId('code-input').ariaInvalid = text === '' ? null : 'true';
}

function showAttempts(left) {
  byId('code-attempts').textContent = `Attempts left: ${left}`;
}

const secondsUntil = (time) =>
  Math.max(0, Math.ceil((Date.parse(time) - Date.now() - aheadMs) / 1_000));

const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;

/** Not a live region: nobody wants to hear every second. It is read with the field, and when it matters. */
function tick() {
  const left = secondsUntil(asked.expiresAt);
  byId('code-countdown').textContent = clock(left);
  const wait = secondsUntil(asked.resendAt);
  const resend = byId('code-resend');
  resend.textContent = wait > 0 ? `Send the code again in ${clock(wait)}` : 'Send the code again';
  // Not `disabled`: that would lose the focus of who waits on it.
  resend.ariaDisabled = wait > 0 ? 'true' : null;
  if (left === 60) say('The code is valid for one more minute.');
  if (left === 0) {
    clearInterval(ticking);
    say(WORDS.expired, true);
  }
}

function leaveCode(message, isRefusal = false) {
  clearInterval(ticking);
  show(asked.back);
  say(message, isRefusal);
}

onSubmit(byId('code-form'), async ({ code }) => {
  try {
    await call('POST', `${TWO_FACTOR}/confirm`, { id: asked.id, code });
  } catch (error) {
    const { error: slug, attemptsLeft } = error.body ?? {};
    if (slug === 'code-mismatch' && attemptsLeft > 0) {
      showAttempts(attemptsLeft);
      complain(`The code is wrong. Attempts left: ${attemptsLeft}.`);
      say('');
      byId('code-input').select();
      return;
    }
    if (slug === 'code-mismatch') return leaveCode(WORDS['attempts-exhausted'], true);
    if (error.status === 404 || error.status === 410) return leaveCode(error.message, true);
    throw error;
  }
  clearInterval(ticking);
  try {
    await asked.onConfirmed(asked.id);
  } catch (error) {
    leaveCode('');
    tellRefusal(error);
  }
});

onClick(byId('code-resend'), async () => {
  if (byId('code-resend').ariaDisabled === 'true') {
    say(`Please wait ${secondsUntil(asked.resendAt)} seconds before the next code.`);
    return;
  }
  try {
    const { resendAt, attemptsLeft } = await call('POST', `${TWO_FACTOR}/resend`, { id: asked.id });
    asked.resendAt = resendAt;
    showAttempts(attemptsLeft);
    say('The same code is on its way again.');
  } catch (error) {
    const { retryAfter } = error.body ?? {};
    if (retryAfter) asked.resendAt = new Date(Date.now() + aheadMs + retryAfter * 1_000);
    say(error.message, true);
  }
  byId('code-input').focus();
  tick();
});

byId('code-cancel').addEventListener('click', () => leaveCode('Cancelled.'));

// ---- Sign up, sign in, sign out ----------------------------------------------------------------

onSubmit(byId('sign-up-form'), async ({ email, password }) => {
  const address = email.trim().toLowerCase();
  const request = await call('POST', `${TWO_FACTOR}/request-confirmation`, {
    purpose: 'sign-up',
    way: 'email',
    token: address,
  });
  askForCode(request, {
    back: 'sign-up',
    onConfirmed: async (confirmationId) => {
      await call('POST', '/api/v1/accounts', { email: address, password, confirmationId });
      byId('sign-up-form').reset();
      byId('sign-in-email').value = address;
      show('sign-in', byId('sign-in-password'));
      say('Your account is open. You can sign in now.');
    },
  });
});

onSubmit(byId('sign-in-form'), async (body) => {
  const request = await call('POST', '/api/v1/sign-in', body);
  askForCode(request, {
    back: 'sign-in',
    onConfirmed: async (confirmationId) => {
      await call('POST', '/api/v1/sessions', { email: body.email, confirmationId });
      byId('sign-in-form').reset();
      await showAccount('You are signed in.');
    },
  });
});

onClick(byId('sign-out'), async () => {
  await call('DELETE', '/api/v1/sessions/current');
  byId('again').hidden = true;
  show('sign-in');
  say('You are signed out.');
});

// ---- The account -------------------------------------------------------------------------------

async function showAccount(message) {
  await refreshAccount();
  show('account');
  say(message);
}

async function refreshAccount() {
  const [me, transfers] = await Promise.all([
    call('GET', '/api/v1/me'),
    call('GET', '/api/v1/transfers'),
  ]);
  byId('account-email').textContent = me.email;
  byId('balance').textContent = `${me.balance} EUR`;
  byId('phone').textContent = me.phone ?? 'None yet. With one, codes can come as text messages.';
  const bySms = byId('transfer-form').querySelector('[value=sms]');
  bySms.disabled = me.phone === null;
  byId('transfers').replaceChildren(...transfers.map(transferItem));
  byId('no-transfers').hidden = transfers.length > 0;
}

function transferItem({ direction, counterparty, amount, createdAt }) {
  const item = document.createElement('li');
  const [what, sum] = [document.createElement('span'), document.createElement('span')];
  const day = new Date(createdAt).toLocaleDateString();
  what.textContent = `${day} ${direction === 'out' ? 'to' : 'from'} ${counterparty}`;
  sum.textContent = `${direction === 'out' ? '−' : '+'}${amount} EUR`;
  sum.className = 'amount';
  item.append(what, sum);
  return item;
}

/** `10`, `10,5` and `10.50` as the server wants it; text all the way, never a float. */
function canonicalAmount(text) {
  const [whole, cents = '00'] = text.trim().split(/[.,]/);
  return `${whole}.${cents}`;
}

let lastTransfer;

const pay = ({ body, confirmationId }) =>
  call('POST', '/api/v1/transfers', body, { 'X-Confirmation-Id': confirmationId });

onSubmit(byId('transfer-form'), async ({ payee, amount, way }) => {
  const body = { payee: payee.trim(), amount: canonicalAmount(amount) };
  const details = { payee: body.payee, amount: `${body.amount} EUR` };
  const request = await call('POST', `${TWO_FACTOR}/request-confirmation`, {
    purpose: 'transfer',
    way,
    details,
  });
  askForCode(request, {
    back: 'account',
    details: { Payee: details.payee, Amount: details.amount },
    onConfirmed: async (confirmationId) => {
      await pay({ body, confirmationId });
      lastTransfer = { body, confirmationId };
      byId('again').hidden = false;
      byId('transfer-form').reset();
      await showAccount(`Paid ${details.amount} to ${details.payee}.`);
    },
  });
});

onClick(byId('again-button'), async () => {
  await pay(lastTransfer);
  say('That should not have worked.', true);
});

onSubmit(byId('phone-form'), async ({ phone, password }) => {
  const request = await call('POST', `${TWO_FACTOR}/request-confirmation`, {
    purpose: 'change-phone',
    way: 'sms',
    details: { phone },
  });
  askForCode(request, {
    back: 'account',
    details: { 'New number': phone },
    onConfirmed: async (confirmationId) => {
      const headers = { 'X-Confirmation-Id': confirmationId };
      await call('PUT', '/api/v1/me/phone', { phone, password }, headers);
      byId('phone-form').reset();
      await showAccount('Your phone number is changed.');
    },
  });
});

// ---- Start -------------------------------------------------------------------------------------

for (const button of document.querySelectorAll('[data-show]')) {
  button.addEventListener('click', () => {
    say('');
    show(button.dataset.show);
  });
}

const { ways, hasInbox } = await call('GET', '/api/v1/offer');
byId('inbox-link').hidden = !hasInbox;
for (const part of document.querySelectorAll('[data-way]')) {
  part.hidden = !ways.some(({ name }) => name === part.dataset.way);
}
await showAccount('').catch(() => show('sign-in'));
