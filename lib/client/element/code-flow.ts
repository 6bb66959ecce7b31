import type { MethodName, RequestBody, RequestedConfirmation } from '../answers.js';
import {
  endsConfirmation,
  hasUnknownOutcome,
  UNREACHABLE,
  type TwoFactorProblem,
  type TwoFactorResult,
} from '../problems.js';
import type { TwoFactorClient } from '../two-factor-client.js';
import { DeliveryWatch } from './delivery-watch.js';

/**
 * The calls that a server may refuse for a time: `start` requests a confirmation, `confirm` gives a response, `send` sends a message
 * of an open confirmation.
 */
export type RefusedCall = 'start' | 'confirm' | 'send';

/** The state that the element displays. Times are those of the browser's clock, in milliseconds. */
export interface FlowState {
  /** `idle`: nothing is requested. `open`: the person can confirm. `ended`: a new confirmation is needed. */
  readonly phase: 'idle' | 'open' | 'confirmed' | 'ended';
  readonly isBusy: boolean;
  readonly id: string | null;
  readonly method: MethodName;
  /** The other methods to choose from. */
  readonly others: readonly MethodName[];
  readonly recipient: string | undefined;
  readonly codeLength: number | undefined;
  readonly attemptsLeft: number | undefined;
  readonly expiresAt: number;
  readonly resendAt: number;
  /** `queued`: the message leaves after the answer, so that its failure is not known yet. */
  readonly delivery: 'queued' | 'sent' | 'failed';
  /** False when the server sends no further message of this confirmation, however long the person waits. */
  readonly canResend: boolean;
  readonly problem: TwoFactorProblem | null;
  /** Whether the problem is that the code cannot be sent again. */
  readonly isOfMessage: boolean;
  /** The end of the wait that the problem demands. 0: the problem demands none. */
  readonly retryAt: number;
  /** The call that is refused until `retryAt`; `null` for none. */
  readonly refused: RefusedCall | null;
  /** The name of the text that reports what happened to the message; `null` for none. */
  readonly notice: 'resent' | 'delayed' | null;
}

export const IDLE: FlowState = {
  phase: 'idle',
  isBusy: false,
  id: null,
  method: 'code',
  others: [],
  recipient: undefined,
  codeLength: undefined,
  attemptsLeft: undefined,
  expiresAt: Infinity,
  resendAt: 0,
  delivery: 'sent',
  canResend: true,
  problem: null,
  isOfMessage: false,
  retryAt: 0,
  refused: null,
  notice: null,
};

/** The values of `method` in a request whose confirmation allows other methods too. Any other value is the only method of it. */
const ALLOWS_OTHER_METHODS = new Set<MethodName | undefined>([undefined, 'code', 'totp']);
/** The problems with which the server may demand a wait. */
const PROBLEMS_WITH_WAIT = new Set(['send-failed', 'too-many-requests']);

/** The functions of the element that the flow calls. */
interface ElementCallbacks {
  readonly client: () => TwoFactorClient;
  readonly request: () => { readonly body: RequestBody; readonly flow: string | undefined };
  readonly changed: (state: FlowState, before: FlowState) => void;
}

/** One confirmation from the request to its end: the calls, and the state that they lead to. It does not use the DOM. */
export class CodeFlow {
  state = IDLE;
  /** The number of this confirmation on the page. Answers to calls of an earlier confirmation are dropped. */
  #generation = 0;
  #methods: readonly MethodName[] = [];
  /** The only method of this confirmation, because the request named it; `undefined` where there are others. */
  #onlyMethod: MethodName | undefined;
  /** The body of the last request, to notice that the next one would be another, such as for another phone number. */
  #requestedBody = '';
  /** The flow of the last request, as the client names it. */
  #lastFlow: string | RequestBody = '';
  /** The flow whose confirmation gets no further message. The next request forgets it first, and is thus for a new confirmation. */
  #spentFlow: string | RequestBody | undefined;
  /** Whether the server was asked for a message of this confirmation, so that the next message is a resend. */
  #hasMessage = false;
  /** Methods that have failed in this confirmation and need not be offered again. */
  readonly #failed = new Set<MethodName>();
  #watch = new DeliveryWatch();

  constructor(private readonly around: ElementCallbacks) {}

  /** Forgets the confirmation. The answers of calls that still run are dropped. */
  reset(): void {
    this.#generation += 1;
    this.#failed.clear();
    this.#set(IDLE);
  }

  /**
   * Requests a confirmation, or continues with the one that this flow has requested before a reload. A device that could not be asked is
   * asked again.
   */
  async start(method?: MethodName): Promise<void> {
    const { phase, isBusy, method: last } = this.state;
    if (isBusy) return;
    if (phase !== 'open') this.#methods = [];
    else if (method === undefined && last === 'device' && !this.#failed.has('device'))
      return this.#tryDevice();
    const { body, flow } = this.around.request();
    this.#requestedBody = JSON.stringify(body);
    const named = method === undefined ? body : { ...body, method };
    const flowOf = flow === undefined || method === undefined ? flow : `${flow} ${method}`;
    await this.#call(
      'start',
      (client) => {
        if (this.#spentFlow !== undefined) client.forget(this.#spentFlow);
        this.#spentFlow = undefined;
        this.#lastFlow = flowOf ?? named;
        return client.requestConfirmation(named, { flow: flowOf });
      },
      async (value) => {
        this.#failed.clear();
        this.#methods = value.methods ?? [];
        this.#onlyMethod = ALLOWS_OTHER_METHODS.has(method) ? undefined : method;
        this.#hasMessage = false;
        this.#open(value, value.method ?? 'code');
        if (this.state.method === 'device') await this.#tryDevice();
      },
    );
  }

  /**
   * Switches to another method of the same confirmation, whose first code is sent when the person chooses it. Without an open
   * confirmation the method is requested by its name, such as one that the server offers when it refuses a request for too many
   * tries.
   */
  async choose(method: MethodName): Promise<void> {
    const { phase } = this.state;
    const isAnother = this.#onlyMethod !== undefined && this.#onlyMethod !== method;
    if (phase !== 'open' || isAnother) return this.start(method);
    if (method === 'code' && !this.#hasMessage) return this.#sendFirstCode();
    this.#set({ ...this.#methodState(method), problem: null, notice: null });
    if (method === 'device') await this.#tryDevice();
  }

  async confirm(code: string): Promise<void> {
    const { id, method } = this.state;
    if (id === null) return;
    const named = method === 'totp' || method === 'recovery' ? { method } : {};
    await this.#confirm((client) => client.confirm({ id, code, ...named }));
  }

  /** @param signal aborted when the page no longer asks: what became of the passkey is not displayed then. */
  async confirmWithPasskey(signal?: AbortSignal): Promise<void> {
    const { id } = this.state;
    if (id === null) return;
    await this.#confirm((client) => client.confirmWithPasskey(id, { signal }), signal);
  }

  /** Sends the first code of a confirmation that was begun by another method. A repeat, after a reload too, sends no second message. */
  async #sendFirstCode(): Promise<void> {
    const { id } = this.state;
    if (id === null) return;
    const { way } = this.around.request().body;
    await this.#call(
      'send',
      (client) => client.resend(id, { way, flow: 'first' }),
      (value) => this.#open(value, 'code'),
      'code',
    );
  }

  async resend(): Promise<void> {
    const { id } = this.state;
    if (id === null) return;
    await this.#call(
      'send',
      (client) => client.resend(id),
      (value) => {
        this.#open(value, 'code');
        this.#set({ notice: 'resent' });
      },
    );
  }

  /** Ends a confirmation whose time is up. */
  expire(): void {
    if (this.state.phase !== 'open') return;
    this.#set({ phase: 'ended', problem: { error: 'expired' } as TwoFactorProblem });
  }

  /**
   * Ends a wait whose time is up, or that was for another request, such as to another phone number. Called once a second and before
   * a call.
   *
   * @returns whether a wait has ended
   */
  endWait(): boolean {
    const { retryAt, refused } = this.state;
    if (retryAt === 0) return false;
    const isSame = () => this.#requestedBody === JSON.stringify(this.around.request().body);
    if (retryAt > Date.now() && (refused !== 'start' || isSame())) return false;
    // The problem stays displayed until a message is sent. Otherwise the person would wait for a message that never left.
    const isUnsent = this.state.problem?.error === 'send-failed';
    this.#set(isUnsent ? { retryAt: 0, refused: null } : { problem: null });
    return true;
  }

  /**
   * Asks what became of a queued message, in pauses that double up to five seconds. Otherwise a person would wait for a message that
   * the provider has refused. Called once a second.
   */
  async followDelivery(): Promise<void> {
    const { id, delivery: known, resendAt } = this.state;
    if (id === null || known !== 'queued') return;
    const watch = this.#watch;
    if (!watch.tryBeginPoll()) return;
    const result = await this.#attempt((client) => client.check(id));
    watch.isPolling = false;
    const { state } = this;
    // Another confirmation or another message took the place of the one that was asked for.
    if (!result.ok || state.id !== id || state.resendAt !== resendAt) return;
    if (state.delivery !== 'queued') return;
    const { delivery = 'sent', deliveryError } = result.value;
    const isAwaited = state.phase === 'open' && state.method === 'code';
    if (delivery === 'queued') {
      if (isAwaited && watch.isDelayed) this.#set({ notice: 'delayed' });
      return;
    }
    this.#set({ delivery, notice: null });
    if (delivery === 'failed' && isAwaited) {
      const retryAt = Math.max(resendAt, Date.now() + 1_000);
      const retryAfter = Math.ceil((retryAt - Date.now()) / 1_000);
      const problem = { error: deliveryError, id, retryAfter } as TwoFactorProblem;
      this.#set({
        problem,
        ...(PROBLEMS_WITH_WAIT.has(problem.error) && { retryAt, refused: 'send' }),
      });
    }
  }

  async #tryDevice(): Promise<void> {
    const { id } = this.state;
    if (id === null) return;
    await this.#confirm((client) => client.confirm({ id, method: 'device' }));
    const { phase, method, problem } = this.state;
    // A device that could not be asked may be known. The next method may be a message, which costs money.
    if (phase !== 'open' || method !== 'device' || (problem && hasUnknownOutcome(problem))) return;
    // That the device is unknown is not displayed, because the person can do nothing about it: the next method follows.
    this.#failed.add('device');
    const next = this.#methods.find((each) => !this.#failed.has(each));
    await this.choose(next ?? 'code');
  }

  async #confirm(
    action: (client: TwoFactorClient) => Promise<TwoFactorResult<unknown>>,
    signal?: AbortSignal,
  ): Promise<void> {
    const succeed = (): void => this.#set({ phase: 'confirmed', notice: null });
    await this.#call('confirm', action, succeed, undefined, signal);
  }

  async #call<T>(
    call: RefusedCall,
    action: (client: TwoFactorClient) => Promise<TwoFactorResult<T>>,
    succeed: (value: T) => void | Promise<void>,
    method = this.state.method,
    signal?: AbortSignal,
  ): Promise<void> {
    if (this.state.isBusy) return;
    const run = this.#generation;
    this.#set({ isBusy: true, problem: null, notice: null });
    const result = await this.#attempt(action);
    if (run !== this.#generation) return;
    this.#set({ isBusy: false });
    if (result.ok) await succeed(result.value);
    else if (!signal?.aborted) this.#refuse(result.problem, call, method);
  }

  /** A client of the application that throws counts as one that has no answer. Otherwise the element would be busy for ever. */
  async #attempt<T>(
    action: (client: TwoFactorClient) => Promise<TwoFactorResult<T>>,
  ): Promise<TwoFactorResult<T>> {
    try {
      return await action(this.around.client());
    } catch {
      return UNREACHABLE;
    }
  }

  #refuse(problem: TwoFactorProblem, call: RefusedCall, method: MethodName): void {
    const { error } = problem;
    const { retryAfter } = problem as { readonly retryAfter?: number };
    const hasToWait = PROBLEMS_WITH_WAIT.has(error) && retryAfter !== undefined;
    const retryAt = hasToWait ? Date.now() + retryAfter * 1_000 : 0;
    const wait = { problem, retryAt, refused: retryAt === 0 ? null : call };
    if (error === 'already-confirmed') {
      // A repeat of a call that has confirmed, such as after a lost answer.
      this.#set({ phase: 'confirmed' });
    } else if (error === 'code-mismatch') {
      const { attemptsLeft } = problem;
      this.#set({ attemptsLeft, phase: endsConfirmation(problem) ? 'ended' : 'open', problem });
    } else if (endsConfirmation(problem)) {
      this.#set({ phase: 'ended', problem });
    } else if (error === 'too-many-requests' && problem.methods !== undefined) {
      this.#set({ phase: 'idle', id: null, others: problem.methods, ...wait });
    } else if (error === 'send-failed') {
      // The confirmation exists, and its message can be sent again.
      this.#hasMessage = true;
      // Nothing but its id is known of a new confirmation. The expiry of the last one would end it.
      const isNew = problem.id !== this.state.id;
      if (isNew) this.#methods = [];
      this.#set({
        ...(isNew && IDLE),
        ...this.#methodState('code'),
        ...wait,
        phase: 'open',
        id: problem.id,
        resendAt: retryAt,
        refused: 'send',
      });
    } else if (error === 'method-not-allowed') {
      this.#failed.add(method);
      this.#set({ ...this.#methodState(this.state.method), problem });
    } else {
      const isResend = call === 'send' && this.state.method === 'code';
      // The server names no time where waiting does not help.
      const isForGood = error === 'too-many-requests' && !hasToWait;
      if (isForGood && isResend) this.#spentFlow = this.#lastFlow;
      this.#set({
        ...wait,
        ...(isResend && hasToWait && { resendAt: retryAt }),
        ...(isForGood && isResend && { canResend: false, isOfMessage: true }),
      });
    }
  }

  #open(value: RequestedConfirmation, method: MethodName): void {
    this.#watch = new DeliveryWatch();
    if (method === 'code') this.#hasMessage = true;
    const { expiresIn, resendIn = 0 } = value;
    const now = Date.now();
    this.#set({
      ...this.#methodState(method),
      phase: 'open',
      id: value.id,
      recipient: value.maskedToken,
      codeLength: value.codeLength,
      attemptsLeft: value.attemptsLeft,
      // Counted from the answer on, because the clocks of browser and server may differ.
      expiresAt: now + expiresIn * 1_000,
      resendAt: now + resendIn * 1_000,
      delivery: value.delivery ?? 'sent',
      canResend: true,
    });
  }

  #methodState(method: MethodName): Pick<FlowState, 'method' | 'others'> {
    const others = this.#methods.filter((each) => each !== method && !this.#failed.has(each));
    return { method, others };
  }

  #set(changes: Partial<FlowState>): void {
    const before = this.state;
    // These belong to the problem.
    const none = 'problem' in changes ? { retryAt: 0, refused: null, isOfMessage: false } : {};
    this.state = { ...before, ...none, ...changes };
    this.around.changed(this.state, before);
  }
}
