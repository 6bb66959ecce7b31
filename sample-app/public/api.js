// Calls of the server, and the parts of the page that every section uses.

export const byId = (id) => document.getElementById(id);

const SECTIONS = ['sign-in', 'sign-up', 'code', 'account', 'security', 'app', 'recovery', 'away'];
/** The code is restored from its task. What the server could not tell is asked for again. */
const NOT_RESTORED = new Set(['code', 'away']);
const VIEW = 'bank-view';
const status = byId('status');

/** As the server spells addresses: `toLowerCase()` would make the k of another mailbox out of the Kelvin sign. */
export const inLowerCase = (address) =>
  address.trim().replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());

/** What is said after changes that look like the end of a thief's ways in, and leave this one. */
export const RECOVERY_CODES_STAY =
  'Recovery codes stay valid: if you did not make them, make new ones under Security.';

/** What the refusals of nestjs-two-factor mean for people. docs/errors.md lists their stable names. */
const WORDS = {
  'invalid-request': 'That cannot be right. Please check it.',
  'no-subject': 'Please sign in again.',
  'sign-in-required': 'Please sign in again.',
  'confirmation-required': 'This needs a new confirmation. Please start again.',
  'confirmation-used': 'Refused: this confirmation is already used.',
  'not-found': 'This is no longer known. Please start again.',
  'recipient-not-allowed': 'No code can be sent there.',
  'no-method': 'This needs an authenticator app or a passkey. Add one under Security.',
  'method-not-allowed': 'That way is not possible here. Please choose another one.',
  'no-recipient': 'There is no phone number of yours yet. Please choose e-mail.',
  'too-many-requests': 'There were too many tries.',
  'temporarily-unavailable': 'This does not work right now. Please try again in a moment.',
  'out-of-service': 'This does not work right now. Please try again later.',
  'last-factor': 'This is your last one by now. Please remove it again.',
  'no-factor': 'This needs an authenticator app or a passkey. Add one under Security.',
  conflict: 'Your account was changed meanwhile. Please try again.',
  'code-mismatch': 'That was refused. Please try again.',
  'passkey-unanswered': 'No passkey was used. Please try again.',
  // The reason of a passkey that was not created.
  InvalidStateError: 'This device has a passkey of this account already.',
  'send-failed': 'The code could not be sent. Please try again in a moment.',
  unreachable: 'The server does not answer. Please try again.',
};

/** Seconds of a wait that needs no time to be named. */
const AT_ONCE = 10;

/** The time after a wait. Unlike its seconds it stays right while it is read. */
const timeIn = (seconds) => new Date(Date.now() + seconds * 1_000).toLocaleTimeString();

/** What the bank and the routes of nestjs-two-factor refuse when the session has ended. */
const SIGNED_OUT = new Set(['sign-in-required', 'no-subject']);

export const isSignedOut = ({ slug }) => SIGNED_OUT.has(slug);

/** Something that the customer reads: what the server refused, or that it did not answer. */
class Refusal extends Error {
  constructor(problem) {
    // A refusal of the bank itself brings its own sentence.
    const { error, reason, status, title, details, retryAfter = 0 } = problem.document ?? problem;
    const sentence =
      WORDS[reason] ?? WORDS[error] ?? title ?? 'Something went wrong. Please try again.';
    super(
      `${sentence}${retryAfter > AT_ONCE ? ` You can try again after ${timeIn(retryAfter)}.` : ''}`,
    );
    this.slug = error;
    this.details = details;
    /**
     * Whether nothing was done: the server has refused, or the person gave no passkey. After every other failure, such as an answer
     * that was lost or the 502 of a proxy, the server may have acted.
     */
    this.hasNoEffect =
      error === 'passkey-unanswered' ||
      (error !== undefined && error !== 'unexpected-answer' && status >= 400 && status < 500);
  }
}

/** @throws Refusal for what is no success. */
export async function call(method, path, body, headers = {}) {
  let response;
  let answer;
  try {
    response = await fetch(path, {
      method,
      headers: { ...(body && { 'Content-Type': 'application/json' }), ...headers },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    answer = text === '' ? {} : JSON.parse(text);
  } catch {
    // Also for an answer that broke off, and for the page of a proxy: neither says what the server has done.
    throw new Refusal({ error: 'unreachable' });
  }
  if (!response.ok) throw new Refusal(answer);
  return answer;
}

/** A call of a protected route, with the confirmation that it needs. */
export const callWith = (confirmationId, method, path, body) =>
  call(method, path, body, { 'X-Confirmation-Id': confirmationId });

/** The value of a call of the client. @throws Refusal for a problem. */
export function valueOf(result) {
  if (!result.ok) throw new Refusal(result.problem);
  return result.value;
}

export const refusalOf = (problem) => new Refusal(problem);

export function element(name, text, className = '') {
  const made = document.createElement(name);
  made.textContent = text;
  if (className !== '') made.className = className;
  return made;
}

export function say(text, isRefusal = false) {
  status.textContent = text;
  status.classList.toggle('refused', isRefusal);
}

/** Says what is wrong with a field, beside the field; nothing for a field that is right. */
export function complain(field, text) {
  byId(`${field.id}-error`).textContent = text;
  field.ariaInvalid = text === '' ? null : 'true';
  if (text !== '') field.focus();
}

/** Shows one section and moves the focus there, so that a screen reader reads on from it. */
export function show(name, focus = byId(`${name}-title`)) {
  for (const section of SECTIONS) byId(section).hidden = section !== name;
  document.title = `${byId(`${name}-title`).textContent} - Sample Bank`;
  if (!NOT_RESTORED.has(name)) sessionStorage.setItem(VIEW, name);
  focus.focus();
}

/** The section that was shown before a reload. */
export const lastView = () => sessionStorage.getItem(VIEW);

const leaving = [];

/**
 * Adds what a script does when the customer leaves: nothing of the customer may wait for the next person at this browser. It may return
 * a sentence that the customer should read then.
 */
export const onLeave = (work) => leaving.push(work);

/** Removes from the page what it shows of the customer, and what was typed. @returns what the customer should read now, if anything. */
export function leave() {
  for (const field of document.querySelectorAll('[aria-invalid]')) complain(field, '');
  for (const form of document.forms) form.reset();
  return leaving.map((work) => work()).find((words) => words !== undefined);
}

export function tellRefusal(error) {
  let words = error.message;
  if (isSignedOut(error)) {
    words = leave() ?? words;
    show('sign-in');
  }
  say(words, true);
}

/** Shows that the server could not say what the page needs. */
export function showAway(message = '') {
  show('away');
  say(`${message} The server does not answer. Please reload.`.trimStart(), true);
}

export function onClick(button, work) {
  button.addEventListener('click', () => {
    // What was said about the action before is no answer to this one.
    say('');
    void work().catch(tellRefusal);
  });
}

/** A submit handler that runs once at a time and says what went wrong. */
export function onSubmit(form, work) {
  const button = form.querySelector('[type=submit]');
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (button.ariaDisabled === 'true') return;
    button.ariaDisabled = 'true';
    say('');
    try {
      await work(Object.fromEntries(new FormData(form)));
    } catch (error) {
      tellRefusal(error);
    } finally {
      button.ariaDisabled = null;
    }
  });
}
