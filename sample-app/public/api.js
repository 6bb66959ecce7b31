// Calls of the server, and the parts of the page that every section uses.

export const byId = (id) => document.getElementById(id);

const SECTIONS = ['sign-in', 'sign-up', 'code', 'account', 'security', 'app', 'recovery'];
const VIEW = 'bank-view';
const status = byId('status');

/** What the refusals of nestjs-two-factor mean for people. docs/errors.md lists their stable names. */
const WORDS = {
  'invalid-request': 'That cannot be right. Please check it.',
  'no-subject': 'Please sign in again.',
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
  'send-failed': 'The code could not be sent. Please try again in a moment.',
  unreachable: 'The server does not answer. Please try again.',
};

/** Seconds of a wait that needs no time to be named. */
const AT_ONCE = 10;

/** The time after a wait. Unlike its seconds it stays right while it is read. */
const timeIn = (seconds) => new Date(Date.now() + seconds * 1_000).toLocaleTimeString();

/** Something that the customer reads: what the server refused, or that it did not answer. */
class Refusal extends Error {
  constructor(problem) {
    // A refusal of the bank itself brings its own sentence.
    const { error, title, details, retryAfter = 0 } = problem.document ?? problem;
    const sentence = WORDS[error] ?? title ?? 'Something went wrong. Please try again.';
    super(
      `${sentence}${retryAfter > AT_ONCE ? ` You can try again after ${timeIn(retryAfter)}.` : ''}`,
    );
    this.slug = error;
    this.details = details;
  }
}

/** @throws Refusal for what is no success. */
export async function call(method, path, body, headers = {}) {
  const response = await fetch(path, {
    method,
    headers: { ...(body && { 'Content-Type': 'application/json' }), ...headers },
    ...(body && { body: JSON.stringify(body) }),
  }).catch(() => {
    throw new Refusal({ error: 'unreachable' });
  });
  const text = await response.text();
  const answer = text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : {};
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
  // The code is restored from its task.
  if (name !== 'code') sessionStorage.setItem(VIEW, name);
  focus.focus();
}

/** The section that was shown before a reload. */
export const lastView = () => sessionStorage.getItem(VIEW);

export function tellRefusal(error) {
  if (error.slug === 'sign-in-required') show('sign-in');
  say(error.message, true);
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
