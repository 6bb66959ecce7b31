import type { MethodName, RequestBody, RequestedConfirmation } from '../answers.js';
import type { TwoFactorProblem } from '../problems.js';
import { createTwoFactorClient, type TwoFactorClient } from '../index.js';
import { CodeFlow, type FlowState, type RefusedCall } from './code-flow.js';
import { CodeView, secondsUntil } from './code-view.js';
import { pastedCode, plainCode } from './pasted-code.js';
import { STYLES } from './styles.js';
import { clockOf, ENGLISH, fillPlaceholders, formOf, type TwoFactorTexts } from './texts.js';
import { codeFromMessage } from './web-otp.js';

/** The events of `<two-factor-code>`, which bubble. */
export interface TwoFactorCodeEvents {
  /** A confirmation was requested, and the person can confirm it. */
  'two-factor-requested': CustomEvent<Pick<RequestedConfirmation, 'id'>>;
  /** The confirmation is confirmed: send `id` as `X-Confirmation-Id`, or submit the form. */
  'two-factor-confirmed': CustomEvent<{ readonly id: string; readonly method: MethodName }>;
  /** A call was refused. The person sees it already. */
  'two-factor-refused': CustomEvent<{ readonly problem: TwoFactorProblem }>;
}

/** Modules are imported on servers too, where there are no elements. */
const Base = globalThis.HTMLElement ?? class {};
/** Seconds before the code expires at which the element announces it. */
const LAST_MINUTE = 60;
/** Seconds for which the answer to a press that came too early is displayed. The time in it would be wrong after a while. */
const WAIT_DISPLAY_SECONDS = 5;
let sheet: CSSStyleSheet | undefined;

/** One style sheet for all elements. A policy that forbids inline styles allows it. */
function styleSheet(): CSSStyleSheet {
  if (sheet === undefined) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLES);
  }
  return sheet;
}

/** Passes a property that the page set before this module was loaded to its accessor, which the own property would hide. */
function upgradeProperty(element: TwoFactorCode, name: 'client' | 'texts'): void {
  if (!Object.hasOwn(element, name)) return;
  const value: unknown = element[name];
  delete (element as Partial<TwoFactorCode>)[name];
  Object.assign(element, { [name]: value });
}

/**
 * `<two-factor-code>` requests a confirmation, asks the person to confirm it in one of the methods that the server offers, and
 * passes the id of the confirmed confirmation to its form, under the attribute `name`.
 *
 * Attributes: `url`, `purpose`, `way`, `flow`, `name`, `required`, `disabled`, `start` (request as soon as it is on the page),
 * `inputmode` (`text` for codes of letters). The attribute `phase` tells how far the confirmation is: `idle`, `open`, `confirmed` or `ended`.
 */
export class TwoFactorCode extends Base {
  static readonly formAssociated = true;
  static readonly observedAttributes = ['required', 'inputmode'];
  static #pageTexts: TwoFactorTexts = ENGLISH;
  static readonly #connected = new Set<TwoFactorCode>();

  /** The texts of all elements of the page. Those that are on the page already change to them. */
  static get texts(): TwoFactorTexts {
    return TwoFactorCode.#pageTexts;
  }

  static set texts(texts: TwoFactorTexts) {
    TwoFactorCode.#pageTexts = texts;
    // A page imports this module before it sets the texts, so that its elements have been rendered in English.
    for (const element of TwoFactorCode.#connected) element.#render();
  }

  /** The phone number or address that a code goes to, for purposes whose recipient the application does not know. */
  token: string | undefined;
  /** What exactly is approved. */
  details: object | undefined;

  readonly #internals: ElementInternals = this.attachInternals();
  readonly #flow = new CodeFlow({
    client: () => this.client,
    request: () => ({ body: this.#body(), flow: this.getAttribute('flow') ?? undefined }),
    changed: (state, before) => this.#changed(state, before),
  });
  readonly #view: CodeView;
  #client: TwoFactorClient | undefined;
  #texts: Partial<TwoFactorTexts> = {};
  #isDisabled = false;
  #ticking: ReturnType<typeof setInterval> | undefined;
  /** Ends what is asked of the browser: a passkey, or the code of a text message. A page has one such request at a time. */
  #credentialAbort: AbortController | undefined;
  /** Seconds until the answer to a press that came too early is removed; 0 where there is none. */
  #waitDisplaySecondsLeft = 0;
  /** The countdowns of the last tick, in seconds. */
  #lastCountdowns = { left: 0, wait: 0 };

  constructor() {
    super();
    const root = this.attachShadow({ mode: 'open', delegatesFocus: true });
    root.adoptedStyleSheets = [styleSheet()];
    this.#view = new CodeView(root, {
      start: this.#pressed(() => this.#flow.start(), 'start'),
      submit: this.#pressed(() => this.#submit(), 'confirm'),
      passkey: this.#pressed(() => this.confirmWithPasskey(), 'confirm'),
      resend: this.#pressed(() => this.#resend()),
      choose: (method) => this.#pressed(() => this.#flow.choose(method))(),
      paste: (event) => this.#paste(event),
    });
  }

  /** The client of the calls. By default one for the attribute `url`. */
  get client(): TwoFactorClient {
    this.#client ??= createTwoFactorClient({ url: this.getAttribute('url') ?? undefined });
    return this.#client;
  }

  set client(client: TwoFactorClient) {
    this.#client = client;
  }

  /** Texts of this element. A text that is left out is that of `TwoFactorCode.texts`. */
  get texts(): TwoFactorTexts {
    const { texts } = TwoFactorCode;
    const problems = { ...ENGLISH.problems, ...texts.problems, ...this.#texts.problems };
    return { ...ENGLISH, ...texts, ...this.#texts, problems };
  }

  set texts(texts: Partial<TwoFactorTexts>) {
    this.#texts = texts;
    this.#render();
  }

  /** The id of the confirmation; `null` before the request. */
  get confirmationId(): string | null {
    return this.#flow.state.id;
  }

  /** How far the confirmation is. */
  get phase(): FlowState['phase'] {
    return this.#flow.state.phase;
  }

  /** What the form submits: the id of the confirmed confirmation, empty before that. */
  get value(): string {
    const { phase, id } = this.#flow.state;
    return phase === 'confirmed' && id !== null ? id : '';
  }

  get form(): HTMLFormElement | null {
    return this.#internals.form;
  }

  /** Requests a confirmation. A repeat continues with the same confirmation, after a reload of the page too. */
  async request(): Promise<void> {
    await this.#flow.start();
  }

  /** Asks the person for a passkey. Browsers allow it after a click. */
  async confirmWithPasskey(): Promise<void> {
    if (!this.#flow.state.isBusy) await this.#flow.confirmWithPasskey(this.#newSignal());
  }

  /** Moves the focus to what the person does next: the field or a button, and after the confirmation the sentence about it. */
  override focus(options?: FocusOptions): void {
    (this.phase === 'confirmed' ? this.#view.status : this.#view.next).focus(options);
  }

  /** Forgets the confirmation on the page. The server keeps it until it expires. */
  reset(): void {
    this.#view.field.value = '';
    this.#flow.reset();
  }

  connectedCallback(): void {
    TwoFactorCode.#connected.add(this);
    upgradeProperty(this, 'client');
    upgradeProperty(this, 'texts');
    this.#render();
    this.#tickWhileNeeded();
    this.#startWebOtp();
    if (this.hasAttribute('start') && this.phase === 'idle') void this.request();
  }

  disconnectedCallback(): void {
    TwoFactorCode.#connected.delete(this);
    this.#stopTicking();
    this.#credentialAbort?.abort();
  }

  attributeChangedCallback(): void {
    this.#render();
  }

  formResetCallback(): void {
    this.reset();
  }

  formDisabledCallback(isDisabled: boolean): void {
    this.#isDisabled = isDisabled;
    this.#render();
  }

  #body(): RequestBody {
    return {
      purpose: this.getAttribute('purpose') ?? undefined,
      way: this.getAttribute('way') ?? undefined,
      token: this.token,
      details: this.details,
    };
  }

  /**
   * Ignores a press while a call runs or the element is disabled. While the server would refuse the call after too many tries, displays the
   * time to wait instead.
   */
  #pressed(action: () => Promise<void>, call?: RefusedCall): () => void {
    return () => {
      if (this.#isDisabled || this.#flow.state.isBusy) return;
      this.#flow.endWait();
      const { refused, retryAt } = this.#flow.state;
      const time = clockOf(secondsUntil(retryAt));
      if (call === undefined || refused !== call) void action();
      else this.#displayWait(fillPlaceholders(this.texts.retryWait, { time }));
    };
  }

  #displayWait(text: string): void {
    this.#view.say(text);
    this.#waitDisplaySecondsLeft = WAIT_DISPLAY_SECONDS;
  }

  async #submit(): Promise<void> {
    const { field } = this.#view;
    if (plainCode(field.value) === '') {
      this.#view.complain(this.texts.empty, this.#flow.state);
      field.focus();
      return;
    }
    await this.#flow.confirm(field.value);
  }

  async #resend(): Promise<void> {
    const seconds = secondsUntil(this.#flow.state.resendAt);
    if (seconds > 0) {
      this.#displayWait(fillPlaceholders(formOf(this.texts.resendWait, seconds), { seconds }));
    } else await this.#flow.resend();
  }

  #paste(event: ClipboardEvent): void {
    const { method, codeLength } = this.#flow.state;
    if (method === 'recovery') return;
    const code = pastedCode(event.clipboardData?.getData('text') ?? '', codeLength);
    if (code === null || code === '') return;
    event.preventDefault();
    this.#view.field.value = code;
  }

  #changed(state: FlowState, before: FlowState): void {
    const { phase, id, method, problem, canResend, resendAt } = state;
    const hadFocus = this.matches(':focus-within');
    if (method !== before.method || id !== before.id) this.#view.field.value = '';
    this.#waitDisplaySecondsLeft = 0;
    this.#render();
    this.#tickWhileNeeded();
    const isNext = phase !== before.phase || method !== before.method;
    // A browser offers the code of one text message, so that it is asked again for the next one.
    if (isNext || resendAt !== before.resendAt) this.#startWebOtp();
    // The focus moves to the next step only when it was in this element: it must not be taken from a person who types elsewhere
    // on the page. It is in the element no more when the button that had it was removed.
    const isMoved = isNext || canResend !== before.canResend || !this.matches(':focus-within');
    if (hadFocus && isMoved) this.focus();
    if (problem !== null && problem !== before.problem) {
      if (problem.error === 'code-mismatch' && phase === 'open') this.#view.field.select();
      this.#emit('two-factor-refused', { problem });
    }
    if (phase === 'open' && id !== before.id) this.#emit('two-factor-requested', { id });
    if (phase === 'confirmed' && phase !== before.phase) {
      this.#emit('two-factor-confirmed', { id, method });
    }
  }

  #render(): void {
    const { phase } = this.#flow.state;
    this.#view.inputMode = this.getAttribute('inputmode') ?? 'numeric';
    this.#view.render(this.#flow.state, this.texts, this.#isDisabled);
    if (this.isConnected && this.getAttribute('phase') !== phase) {
      this.setAttribute('phase', phase);
    }
    this.#internals.setFormValue(this.value === '' ? null : this.value);
    const valueMissing = this.hasAttribute('required') && this.value === '';
    this.#internals.setValidity({ valueMissing }, this.texts.required, this.#view.next);
  }

  /** Ticks while something on the page counts down, and not after the element was removed, when an answer comes late. */
  #tickWhileNeeded(): void {
    const { phase, retryAt } = this.#flow.state;
    if (!this.isConnected || (phase !== 'open' && retryAt === 0)) this.#stopTicking();
    else this.#ticking ??= setInterval(() => this.#tick(), 1_000);
  }

  #stopTicking(): void {
    clearInterval(this.#ticking);
    this.#ticking = undefined;
    this.#lastCountdowns = { left: 0, wait: 0 };
  }

  #tick(): void {
    void this.#flow.followDelivery();
    if (this.#waitDisplaySecondsLeft > 0 && --this.#waitDisplaySecondsLeft === 0)
      this.#view.say('');
    const { state } = this.#flow;
    this.#view.renderTimes(state, this.texts);
    const left = secondsUntil(state.expiresAt);
    const wait = secondsUntil(state.resendAt);
    // Compared with the previous tick instead of an exact second, which may be missed: browsers skip timers of background pages.
    const before = this.#lastCountdowns;
    this.#lastCountdowns = { left, wait };
    const mayRetry = this.#flow.endWait();
    const isOpen = state.phase === 'open';
    if (isOpen && left === 0) this.#flow.expire();
    else if (isOpen && before.left > LAST_MINUTE && left <= LAST_MINUTE) {
      this.#view.say(this.texts.validOneMinute);
    } else if (isOpen && before.wait > 0 && wait === 0 && state.method === 'code') {
      this.#view.say(this.texts.resendNow);
    } else if (mayRetry) {
      this.#view.say(this.texts.retryNow);
    }
  }

  /** Lets the browser offer the code of a text message, while a sent code is asked for. */
  #startWebOtp(): void {
    const signal = this.#newSignal();
    const { phase, method } = this.#flow.state;
    if (this.isConnected && phase === 'open' && method === 'code') {
      void this.#confirmByMessage(signal);
    }
  }

  /** A browser runs one request for credentials of a page at a time, so that a new one ends the one before. */
  #newSignal(): AbortSignal {
    this.#credentialAbort?.abort();
    this.#credentialAbort = new AbortController();
    return this.#credentialAbort.signal;
  }

  async #confirmByMessage(signal: AbortSignal): Promise<void> {
    const code = await codeFromMessage(signal);
    if (code === null || signal.aborted) return;
    this.#view.field.value = code;
    this.#pressed(() => this.#flow.confirm(code), 'confirm')();
  }

  #emit(type: keyof TwoFactorCodeEvents, detail: object): void {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }
}
