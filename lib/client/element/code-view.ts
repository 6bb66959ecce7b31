import type { MethodName } from '../answers.js';
import type { TwoFactorProblem } from '../problems.js';
import type { FlowState } from './code-flow.js';
import { clockOf, fillPlaceholders, formOf, type TwoFactorTexts } from './texts.js';

const CHOICES = {
  code: 'useCode',
  totp: 'useTotp',
  passkey: 'usePasskey',
  recovery: 'useRecovery',
  device: 'useDevice',
} as const satisfies Record<MethodName, keyof TwoFactorTexts>;

/** Creates an element. Attributes are set one by one, so that a policy for Trusted Types allows it. */
function create<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly Node[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const FIELD = {
  part: 'input',
  id: 'code',
  name: 'code',
  autocapitalize: 'off',
  autocorrect: 'off',
  spellcheck: 'false',
  enterkeyhint: 'done',
  'aria-describedby': 'sent error attempts',
};
/** Longer codes than this have smaller letters, and codes that are longer than `LONG_CODE_LENGTH` have a field of several lines. */
const SHORT_CODE_LENGTH = 8;
const LONG_CODE_LENGTH = 12;

function setText(element: HTMLElement, text: string): void {
  // An unchanged text is not written again, because some screen readers would read it again.
  if (element.textContent !== text) element.textContent = text;
}

/** The functions that the buttons and the form of the view call. */
export interface ViewActions {
  readonly start: () => void;
  readonly submit: () => void;
  readonly passkey: () => void;
  readonly resend: () => void;
  readonly choose: (method: MethodName) => void;
  readonly paste: (event: ClipboardEvent) => void;
}

/** Seconds until a time, 0 after it. */
export const secondsUntil = (time: number): number =>
  Math.max(0, Math.ceil((time - Date.now()) / 1_000));

/** The nodes in the shadow of the element. They are made once and changed in place, so that focus and live regions stay. */
export class CodeView {
  readonly #sent = create('p', { part: 'sent', id: 'sent' });
  readonly #label = create('label', { part: 'label', for: 'code' });
  readonly #input = create('input', { ...FIELD, autocomplete: 'one-time-code' });
  // A recovery code is wider than a telephone. In a field of one line its beginning cannot be compared with the paper.
  readonly #area = create('textarea', { ...FIELD, autocomplete: 'off', rows: '2' });
  /** The field that the person types into. */
  field: HTMLInputElement | HTMLTextAreaElement = this.#input;
  readonly #error = create('p', { part: 'error', class: 'error', id: 'error', role: 'alert' });
  /** The time within the problem's sentence. A timer is not announced when it changes, although the sentence around it is. */
  readonly #wait = create('span', { class: 'number', role: 'timer' });
  readonly #attempts = create('span', { part: 'attempts', id: 'attempts' });
  // A screen reader reads a timer when the person moves to it. As a live region, the time would be announced every second.
  readonly #expiry = create('span', { part: 'expiry', class: 'number', role: 'timer' });
  readonly #facts = create('p', { class: 'facts muted' }, this.#attempts, this.#expiry);
  readonly submit = create('button', { part: 'button confirm', class: 'primary', type: 'submit' });
  readonly #form = create('form', { part: 'form', novalidate: '' }, this.#label, this.field);
  readonly passkey = create('button', {
    part: 'button passkey',
    class: 'primary',
    type: 'button',
  });
  readonly start = create('button', { part: 'button start', class: 'primary', type: 'button' });
  /** The name of the button for the next message. With the time in it, a screen reader would read the focused button every second. */
  readonly #resendName = create('span');
  readonly #resendTime = create('span', { 'aria-hidden': 'true' });
  readonly resend = create(
    'button',
    { part: 'button resend', class: 'link', type: 'button' },
    this.#resendTime,
    this.#resendName,
  );
  readonly #choices = create('ul', { part: 'methods', 'aria-labelledby': 'others' });
  readonly #heading = create('p', { part: 'heading', class: 'heading', id: 'others' });
  readonly #others = create('div', { class: 'stack' }, this.#heading, this.#choices);
  readonly status = create('p', {
    part: 'status',
    class: 'status',
    role: 'status',
    tabindex: '-1',
  });
  #shownMethods: readonly MethodName[] = [];
  #isDisabled = false;
  /** The sentence with the attempts that are left. */
  #attemptsText = '';
  #alerted = '';

  constructor(
    root: ShadowRoot,
    private readonly actions: ViewActions,
  ) {
    this.#form.append(this.#facts, this.submit);
    const parts = [this.#sent, this.#error, this.#form, this.passkey, this.start];
    root.append(
      create('div', { class: 'stack' }, this.status, ...parts, this.resend, this.#others),
    );
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      actions.submit();
    });
    this.#input.addEventListener('paste', actions.paste);
    this.#area.addEventListener('paste', actions.paste);
    this.#area.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.isComposing) return;
      event.preventDefault();
      this.#form.requestSubmit();
    });
    this.passkey.addEventListener('click', actions.passkey);
    this.start.addEventListener('click', actions.start);
    this.resend.addEventListener('click', actions.resend);
  }

  render(state: FlowState, texts: TwoFactorTexts, isDisabled: boolean): void {
    const { phase, method, attemptsLeft: attempts, problem, refused } = state;
    const isOpen = phase === 'open';
    const hasField = isOpen && (method === 'code' || method === 'totp' || method === 'recovery');
    this.#renderIntroduction(state, texts);
    this.#form.hidden = !hasField;
    if (hasField) this.#renderField(method, state.codeLength, texts);
    // After a message that was not sent, the number is unknown: the server's answer does not say how many attempts are left.
    this.#attemptsText =
      attempts === undefined
        ? ''
        : fillPlaceholders(formOf(texts.attempts, attempts), { attempts });
    setText(this.submit, texts.confirm);
    setText(this.passkey, texts.passkey);
    this.passkey.hidden = !isOpen || method !== 'passkey';
    const isWithoutResend = isOpen && method === 'code' && !state.canResend;
    setText(this.start, phase === 'ended' || isWithoutResend ? texts.restart : texts.start);
    // A remembered device is asked without a press. Where that fails, and the person has no other method, `start` is the only button.
    this.start.hidden =
      (isOpen && !isWithoutResend && method !== 'device') || phase === 'confirmed';
    // The button for a new confirmation stands beside the field, because a code that has arrived still confirms.
    this.start.className = isWithoutResend ? 'link' : 'primary';
    this.#alert(problem === null ? '' : sentenceOf(problem, state, texts), state);
    this.field.ariaInvalid = problem?.error === 'code-mismatch' ? 'true' : null;
    this.#isDisabled = isDisabled;
    for (const button of [this.submit, this.passkey, this.start]) {
      const hasToWait = refused === (button === this.start ? 'start' : 'confirm');
      // Not `disabled`: a disabled button loses the focus.
      button.ariaDisabled = state.isBusy || isDisabled || hasToWait ? 'true' : null;
    }
    this.field.disabled = isDisabled;
    this.#renderOthers(phase === 'confirmed' ? [] : state.others, texts);
    this.renderTimes(state, texts);
    if (phase === 'confirmed') this.say(texts.confirmed);
    else if (state.notice !== null) this.say(texts[state.notice]);
    else this.say(state.isBusy ? texts.busy : '');
  }

  /** The countdowns, every second. */
  renderTimes(state: FlowState, texts: TwoFactorTexts): void {
    const isOpen = state.phase === 'open';
    setText(this.#wait, timeOf(state));
    const left = secondsUntil(state.expiresAt);
    const hasEnd = isOpen && Number.isFinite(left);
    setText(this.#expiry, hasEnd ? fillPlaceholders(texts.valid, { time: clockOf(left) }) : '');
    this.resend.hidden = !isOpen || state.method !== 'code' || !state.canResend;
    const wait = secondsUntil(state.resendAt);
    setText(this.#resendName, texts.resend);
    this.#resendName.className = wait > 0 ? 'unseen' : '';
    setText(
      this.#resendTime,
      wait > 0 ? fillPlaceholders(texts.resendIn, { time: clockOf(wait) }) : '',
    );
    this.resend.ariaDisabled = wait > 0 || state.isBusy || this.#isDisabled ? 'true' : null;
  }

  /** Displays a text that screen readers announce without interrupting what they read. */
  say(text: string): void {
    setText(this.status, text);
  }

  complain(text: string, state: FlowState): void {
    this.#alert(text, state);
    this.field.ariaInvalid = 'true';
  }

  /** Displays a problem, which screen readers announce at once. */
  #alert(text: string, state: FlowState): void {
    const { attemptsLeft: attempts } = state;
    // A sentence with the attempts that are left takes the place of the other sentence about them.
    setText(this.#attempts, text.includes('{attempts}') ? '' : this.#attemptsText);
    const [before = '', after] = text
      .split('{time}')
      .map((part) => fillPlaceholders(part, { attempts }));
    const said = `${before}{time}${after}`;
    if (this.#alerted === said) return;
    this.#alerted = said;
    setText(this.#wait, timeOf(state));
    this.#error.replaceChildren(before, ...(after === undefined ? [] : [this.#wait, after]));
  }

  /** The control that the person needs next. */
  get next(): HTMLElement {
    if (!this.#form.hidden) return this.field;
    return this.passkey.hidden ? this.start : this.passkey;
  }

  #renderIntroduction(state: FlowState, texts: TwoFactorTexts): void {
    const { phase, method, recipient } = state;
    // That a message failed is displayed as a problem.
    const sentences = { queued: texts.queued, sent: texts.sent, failed: '' };
    const hints: Partial<Record<MethodName, string>> = {
      code:
        recipient === undefined ? '' : fillPlaceholders(sentences[state.delivery], { recipient }),
      totp: texts.totpHint,
      recovery: texts.recoveryHint,
      passkey: texts.passkeyHint,
    };
    const text = phase === 'open' ? (hints[method] ?? '') : '';
    setText(this.#sent, text);
    this.#sent.hidden = text === '';
  }

  #renderField(
    method: 'code' | 'totp' | 'recovery',
    codeLength: number | undefined,
    texts: TwoFactorTexts,
  ): void {
    setText(this.#label, texts[method]);
    const length = method === 'code' ? (codeLength ?? 0) : 0;
    const field = method === 'recovery' || length > LONG_CODE_LENGTH ? this.#area : this.#input;
    if (field !== this.field) {
      this.field.replaceWith(field);
      this.field = field;
    }
    // Codes of letters are an option of the server, so that the keyboard for digits is the application's choice.
    field.inputMode = method === 'recovery' ? 'text' : this.inputMode;
    field.autocapitalize = field.inputMode === 'text' ? 'characters' : 'off';
    field.classList.toggle('long', length > SHORT_CODE_LENGTH);
  }

  /** The keyboard for codes. */
  inputMode = 'numeric';

  #renderOthers(others: readonly MethodName[], texts: TwoFactorTexts): void {
    this.#others.hidden = others.length === 0;
    setText(this.#heading, texts.others);
    if (others.join() !== this.#shownMethods.join()) {
      this.#shownMethods = others;
      const items = others.map((method) => {
        const button = create('button', { part: `button method ${method}`, type: 'button' });
        button.addEventListener('click', () => this.actions.choose(method));
        return create('li', {}, button);
      });
      this.#choices.replaceChildren(...items);
    }
    for (const [index, method] of others.entries()) {
      const button = this.#choices.children[index]?.firstElementChild as HTMLElement;
      setText(button, texts[CHOICES[method]] ?? method);
      button.ariaDisabled = this.#isDisabled ? 'true' : null;
    }
  }
}

/** The text for a problem, whose names in braces are not replaced yet. */
function sentenceOf(problem: TwoFactorProblem, state: FlowState, texts: TwoFactorTexts): string {
  const isMismatch = problem.error === 'code-mismatch';
  // The last wrong code has ended the confirmation: that no attempts are left says less than why it has ended.
  const slug = isMismatch && state.phase === 'ended' ? 'attempts-exhausted' : problem.error;
  // Where the server names no time to wait for, a text that asks the person to wait would be wrong.
  if (slug === 'too-many-requests' && state.retryAt === 0) {
    return state.isOfMessage ? texts.cannotResend : texts.locked;
  }
  const isPasskey = isMismatch && state.method === 'passkey';
  const text = isPasskey ? texts.passkeyRefused : (texts.problems[slug] ?? texts.problem);
  return formOf(text, state.attemptsLeft ?? 0);
}

/** The time that the person has to wait, in marks that isolate it. */
function timeOf({ problem, retryAt }: FlowState): string {
  const { retryAfter = 1 } = (problem ?? {}) as { readonly retryAfter?: number };
  return fillPlaceholders('{time}', {
    time: clockOf(retryAt > 0 ? secondsUntil(retryAt) : retryAfter),
  });
}
