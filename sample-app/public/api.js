// Calls of the server, and the parts of the page that every section uses.

export const TWO_FACTOR = '/api/v1/auth/2factor';
export const byId = (id) => document.getElementById(id);

const SECTIONS = ['sign-in', 'sign-up', 'code', 'account'];
const status = byId('status');

/** What the refusals of nestjs-two-factor mean for people. Its README lists their stable names. */
export const WORDS = {
  'invalid-request': 'That cannot be right. Please check it.',
  'no-subject': 'That is not possible for this account.',
  'confirmation-required': 'This needs a new code. Please start again.',
  'confirmation-used': 'Refused: this confirmation is already used.',
  'not-found': 'This code is no longer known. Please start again.',
  'already-confirmed': 'This code is already confirmed.',
  'already-used': 'This code is already used.',
  expired: 'The code has expired. Please start again.',
  'attempts-exhausted': 'All attempts are used up. Please start again.',
  cancelled: 'The code was cancelled. Please start again.',
  'unknown-secret': 'The code can no longer be checked. Please start again.',
  'recipient-not-allowed': 'No code can be sent there.',
  'send-failed': 'The code could not be sent. Please try again in a moment.',
};

class Refusal extends Error {
  constructor(response, body) {
    super(WORDS[body.error] ?? body.title ?? 'Something went wrong. Please try again.');
    this.status = response.status;
    this.body = body;
  }
}

/** How far the server's clock is ahead of ours, if they differ by more than the whole seconds of the header can show. */
let aheadMs = 0;

/** The time by the server's clock, in epoch milliseconds. */
export const now = () => Date.now() + aheadMs;

/** @throws Error that says what went wrong; a Refusal with `status` and `body` when the server answered one. */
export async function call(method, path, body, headers = {}) {
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

/** A call of a protected route, with the confirmation that it needs. */
export const callWith = (confirmationId, method, path, body) =>
  call(method, path, body, { 'X-Confirmation-Id': confirmationId });

export function say(text, isRefusal = false) {
  status.textContent = text;
  status.classList.toggle('refused', isRefusal);
}

/** Shows one section and moves the focus there, so that a screen reader reads on from it. */
export function show(name, focus = byId(`${name}-title`)) {
  for (const section of SECTIONS) byId(section).hidden = section !== name;
  document.title = `${byId(`${name}-title`).textContent} - Sample Bank`;
  focus.focus();
}

export function tellRefusal(error) {
  if (error.body?.error === 'sign-in-required') show('sign-in');
  say(error.message, true);
}

export function onClick(button, work) {
  button.addEventListener('click', () => void work().catch(tellRefusal));
}

/** A submit handler that runs once at a time and says what went wrong. */
export function onSubmit(form, work) {
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
