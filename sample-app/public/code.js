// The code: one form for every purpose.

import {
  byId,
  call,
  now,
  onClick,
  onSubmit,
  say,
  show,
  tellRefusal,
  TWO_FACTOR,
  WORDS,
} from './api.js';

/** The confirmation that is asked for now: what the server answered, what to do with it, and where to go back to. */
let asked;
let ticking;

function askForCode(request, { back, step = '', details = {}, onConfirmed }) {
  asked = { ...request, back, onConfirmed };
  const names = Object.entries(details).flatMap(([name, value]) => {
    const [term, description] = [document.createElement('dt'), document.createElement('dd')];
    term.textContent = name;
    description.textContent = value;
    return [term, description];
  });
  byId('code-details').replaceChildren(...names);
  byId('code-details').hidden = names.length === 0;
  byId('code-step').textContent = step;
  byId('code-step').hidden = step === '';
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

/** Asks the server to send a code, and the customer to type it. */
export async function confirm({ purpose, way, details, token }, then) {
  const body = { purpose, way, details, token };
  askForCode(await call('POST', `${TWO_FACTOR}/request-confirmation`, body), then);
}

function complain(text) {
  byId('code-error').textContent = text;
  byId('code-input').ariaInvalid = text === '' ? null : 'true';
}

function showAttempts(left) {
  byId('code-attempts').textContent = `Attempts left: ${left}`;
}

const secondsUntil = (time) => Math.max(0, Math.ceil((Date.parse(time) - now()) / 1_000));

const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;

/** The countdown is no live region, which would be read every second. It is read with the field, and once near its end. */
function tick() {
  const left = secondsUntil(asked.expiresAt);
  byId('code-countdown').textContent = clock(left);
  const wait = secondsUntil(asked.resendAt);
  const resend = byId('code-resend');
  resend.textContent = wait > 0 ? `Send the code again in ${clock(wait)}` : 'Send the code again';
  // Not `disabled`, because a disabled button loses the focus.
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
    // It may ask for a second code.
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
    if (retryAfter) asked.resendAt = new Date(now() + retryAfter * 1_000);
    say(error.message, true);
  }
  byId('code-input').focus();
  tick();
});

byId('code-cancel').addEventListener('click', () => leaveCode('Cancelled.'));
