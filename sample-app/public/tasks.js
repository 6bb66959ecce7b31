// What the customer is doing and still has to confirm. A task survives a reload: the session storage has its data and, once it is
// confirmed, its proof. Passwords are not stored. After a reload they are asked for again.

import './vendor/two-factor/element/index.js';

import {
  byId,
  call,
  element,
  isSignedOut,
  onClick,
  onLeave,
  refusalOf,
  say,
  show,
  tellRefusal,
} from './api.js';
import { client } from './client.js';
import { canUsePasskeys } from './passkeys.js';

const STORED = 'bank-task';
const UNSETTLED = 'bank-unsettled ';
/**
 * What may have been done when its customer left: one for each customer, so that the next one at this browser does not overwrite it. By the
 * id, because the next one must not read the address, nor find it out by trying addresses, as a digest of it would allow.
 */
const unsettledOf = (id) => `${UNSETTLED}${id}`;
const tasks = new Map();
/**
 * Refusals that have not looked at the proof. After these it is kept; after all others that say that nothing was done it is forgotten. It
 * is also kept after an answer that leaves open whether the server has acted: a proof is used once, so that a repeat with the same proof
 * is safe, and one with a new proof would pay twice.
 */
const CAN_BE_REPEATED = new Set([
  'wrong-password',
  'too-many-failures',
  'too-many-passwords',
  // They refuse the repeat. The first call, whose answer was lost, may have been let in.
  'sign-in-required',
  'no-subject',
]);
/** No call still holds a proof this long after its code was typed, because a proof can be used for five minutes. */
const LONGEST_USE_MS = 10 * 60_000;
/** How long what a customer left unsettled is kept: also one who signs in only when the session would have ended can look it up. */
const UNSETTLED_MS = LONGEST_USE_MS + 8 * 3_600_000;

/** The task that is shown, with the password that belongs to it. */
let current;
/** The customer who is signed in: the id, and the address. */
let customer;
let address;

/**
 * @param task.back the section with its form
 * @param task.title the heading, `task.step` the line below it, `task.shown(data)` what exactly is confirmed
 * @param task.request(data) the body of the request for a confirmation
 * @param task.finish(proof, data, password) the call that the proof is for; it may begin another task
 * @param task.done(result, data) shows what was done, by the result of `finish`
 * @param task.lookUp(proof, data) reads whether it was done, when the server answers that the proof is used; `task.doneBefore` says so
 * @param task.nameOnce(data) names what must not be done twice, also without its data: no other task begins while it is unknown whether it
 * was done
 * @param task.unsure is said instead when a customer has to sign in again before it is known whether it was done
 * @param task.passwordField the id of the field whose password the task needs, `task.restore(data)` fills in the rest of its form
 * @param task.isSignedOut whether it is a task of a customer who is not signed in
 */
export const define = (name, task) => tasks.set(name, task);

function stored(key = STORED) {
  try {
    const task = JSON.parse(sessionStorage.getItem(key));
    return tasks.has(task?.name) ? task : null;
  } catch {
    return null;
  }
}

const store = ({ name, data, proof, provenAt, isTried, owner }) =>
  sessionStorage.setItem(STORED, JSON.stringify({ name, data, proof, provenAt, isTried, owner }));

/** Tells who is signed in. */
export function enter({ id, email }) {
  customer = id;
  address = email;
  forgetOld();
  const task = stored();
  // Of another customer, who has left in another tab.
  if (task !== null && task.owner !== id) setAside(task);
}

export const customerEmail = () => address;

/** Many customers may use this browser, and not each of them comes back. */
function forgetOld() {
  for (const key of Object.keys(sessionStorage)) {
    if (!key.startsWith(UNSETTLED)) continue;
    const { provenAt } = stored(key) ?? {};
    // Also what cannot be read.
    if (!(Date.now() - provenAt <= UNSETTLED_MS)) sessionStorage.removeItem(key);
  }
}

/**
 * Ends a task whose customer has left. What must not be done twice can still be looked up when the customer is back: without its proof the
 * customer would pay again. What it was is not kept, because the next person at this browser must not read it.
 *
 * @returns what the customer should know of a task that cannot be looked up.
 */
function setAside(task) {
  sessionStorage.removeItem(STORED);
  const { name, proof, provenAt, isTried, owner } = task;
  const { nameOnce, unsure } = tasks.get(name);
  // What was never sent cannot have been done, and must not keep the customer from doing it now.
  if (isTried && proof !== undefined && nameOnce !== undefined) {
    sessionStorage.setItem(unsettledOf(owner), JSON.stringify({ name, proof, provenAt }));
  }
  return isTried ? unsure : undefined;
}

/** The data of a task that is confirmed and was not finished, if that is the one. */
export function proven(name) {
  const task = stored();
  return task?.name === name && task.proof !== undefined ? task.data : null;
}

function forget(task) {
  if (current === task) current = undefined;
  if (isSame(stored(), task)) sessionStorage.removeItem(STORED);
}

/** The way of the code is no part of what is confirmed: a customer who chooses another one wants the same thing. */
const contentOf = (data) => JSON.stringify({ ...data, way: undefined });

const isSame = (one, other) =>
  one?.name === other.name && contentOf(one.data) === contentOf(other.data);

/** Begins a task, or goes on with the same one after its password was asked for again. */
export async function begin(name, data, password) {
  const left = stored(unsettledOf(customer));
  if (left !== null && tasks.get(name).nameOnce !== undefined) {
    await settle(left, () => sessionStorage.removeItem(unsettledOf(customer)));
  }
  const before = stored();
  const task = { name, data, password, owner: customer };
  if (before?.proof !== undefined) {
    const { proof, provenAt, isTried } = before;
    if (isSame(before, task)) Object.assign(task, { proof, provenAt, isTried });
    else await settle(before, () => forget(before));
  }
  store(task);
  await run(task);
}

/**
 * Finds out whether the task before was done, where it must not be done twice. Its proof, which tells that, is stored nowhere else, and
 * would be lost by the next task. Once the server has told it, `drop` forgets the task.
 *
 * @throws Error where the customer should know that it was done, or that it still may be.
 */
async function settle(before, drop) {
  const { nameOnce, lookUp } = tasks.get(before.name);
  if (nameOnce === undefined) return;
  const name = nameOnce(before.data);
  const isDone = await lookUp(before.proof, before.data);
  if (!isDone && mayStillRun(before)) {
    const what = before.data === undefined ? 'Please' : 'Send it again, or';
    throw new Error(`${name} may not be finished. ${what} wait for ten minutes.`);
  }
  drop();
  if (isDone) {
    throw new Error(`${name} is done. Start again if you want something else as well.`);
  }
}

const mayStillRun = ({ provenAt }) => Date.now() - provenAt <= LONGEST_USE_MS;

/** Goes on with the task that a reload has interrupted. @returns whether there is one. */
export async function resume() {
  forgetOld();
  const task = stored();
  if (task === null) return false;
  const { restore, back } = tasks.get(task.name);
  if (task.owner !== customer) {
    // The session has ended.
    const words = setAside(task);
    if (words === undefined) return false;
    show('sign-in');
    say(words, true);
    return true;
  }
  await restore?.(task.data);
  try {
    await run(task);
  } catch (error) {
    show(back);
    tellRefusal(error);
  }
  return true;
}

/** Asks the customer to confirm, unless that has happened. */
async function run(task) {
  current = task;
  if (task.proof === undefined) await ask(task);
  else await finish(task);
}

async function finish(task) {
  const { passwordField, finish: use, done, lookUp, back } = tasks.get(task.name);
  if (passwordField !== undefined && task.password === undefined) {
    show(back, byId(passwordField));
    say('Confirmed. Enter your password again to finish.');
    return;
  }
  const { isTried } = task;
  // Before the call, because a reload may lose its answer.
  store(Object.assign(task, { isTried: true }));
  let result;
  try {
    // It may begin another task.
    result = await use(task.proof, task.data, task.password);
  } catch (error) {
    if (lookUp !== undefined && error.slug === 'confirmation-used') return tellUsed(task);
    if (error.hasNoEffect) {
      if (CAN_BE_REPEATED.has(error.slug)) store(Object.assign(task, { isTried }));
      else forget(task);
    }
    show(back);
    throw error;
  }
  forget(task);
  // What fails in here is no failure of what was done.
  await done?.(result, task.data);
}

/** The proof is used: by a call whose answer was lost, by one that still runs, or by one that died with its process. */
async function tellUsed(task) {
  const { lookUp, doneBefore, back } = tasks.get(task.name);
  show(back);
  if (await lookUp(task.proof, task.data)) {
    forget(task);
    say(doneBefore);
  } else if (mayStillRun(task)) {
    say('This may not be finished. Please look again in a minute.', true);
  } else {
    forget(task);
    say('This was not done. Please start again.', true);
  }
}

/** The customer sees the form until the server has answered: a refused request leaves what was typed. */
async function ask(task) {
  const { title, step = '', shown, request, remembers = false } = tasks.get(task.name);
  const { purpose, way, token, details } = request(task.data);
  const code = document.createElement('two-factor-code');
  code.setAttribute('purpose', purpose);
  if (way !== undefined) code.setAttribute('way', way);
  Object.assign(code, { token, details, client: watched(purpose) });
  let problem;
  let isRequested = false;
  code.addEventListener('two-factor-refused', ({ detail }) => {
    problem = detail.problem;
    if (!isRequested || current !== task) return;
    // For a session that has ended, the confirmation of its customer is unknown. Otherwise the page would go back to the account.
    if (problem.error === 'not-found') void checkSession(task);
    // The element has no words for a refusal of the bank itself.
    if (problem.document?.title !== undefined) tellRefusal(refusalOf(problem));
  });
  code.addEventListener('two-factor-confirmed', ({ detail }) => {
    if (current !== task) return;
    Object.assign(task, { proof: detail.id, provenAt: Date.now() });
    store(task);
    void finish(task).catch(tellRefusal);
  });
  byId('code-place').replaceChildren(code);
  showDetails(shown?.(task.data) ?? {});
  byId('code-title').textContent = title;
  byId('code-step').textContent = step;
  byId('code-step').hidden = step === '';
  byId('remember-area').hidden = !remembers;
  await code.request();
  isRequested = true;
  if (current !== task || code.phase === 'confirmed') return;
  // Too many wrong codes: what cannot be guessed is still offered.
  if (code.phase === 'open' || problem?.methods !== undefined) {
    show('code', code);
    return;
  }
  forget(task);
  throw refusalOf(problem);
}

async function checkSession({ name }) {
  if (tasks.get(name).isSignedOut) return;
  await call('GET', '/api/v1/me').catch((error) => {
    if (isSignedOut(error)) tellRefusal(error);
  });
}

function showDetails(details) {
  const names = Object.entries(details).flatMap(([name, value]) => [
    element('dt', name),
    element('dd', value),
  ]);
  byId('code-details').replaceChildren(...names);
  byId('code-details').hidden = names.length === 0;
}

/** The client of an element. It tells the page which methods are offered, for what the page says about a lost passkey. */
function watched(purpose) {
  const requestConfirmation = async (...call) => {
    const result = await client.requestConfirmation(...call);
    const { method, methods = [] } = result.ok ? result.value : {};
    const isPasskeyOnly = methods.length === 1 && methods[0] === 'passkey';
    byId('lost-passkey').hidden = !(purpose === 'transfer' && isPasskeyOnly);
    byId('code-elsewhere').hidden = method !== 'passkey' || canUsePasskeys();
    return result;
  };
  return { ...client, requestConfirmation };
}

onClick(byId('code-cancel'), async () => {
  if (current?.proof !== undefined) {
    say('This is confirmed already. Please wait.');
    return;
  }
  const { back } = tasks.get(current?.name) ?? { back: 'sign-in' };
  if (current !== undefined) forget(current);
  show(back);
  say('Cancelled.');
});

onLeave(() => {
  current = undefined;
  customer = undefined;
  address = undefined;
  byId('code-place').replaceChildren();
  byId('remember').checked = false;
  showDetails({});
  const task = stored();
  return task === null ? undefined : setAside(task);
});
