import type {
  ActivateBody,
  ActivatedFactorAnswer,
  BegunAppAnswer,
  BegunPasskeyAnswer,
  CheckedConfirmation,
  ConfirmBody,
  ConfirmedConfirmation,
  EnrolBody,
  FactorAnswer,
  RecoveryCodesAnswer,
  RemoveBody,
  RemovedFactorAnswer,
  RenamedFactor,
  RequestBody,
  RequestedConfirmation,
} from './answers.js';
import { idempotencyKeys, type TabStorage } from './idempotency-keys.js';
import {
  createPasskey,
  readPasskey,
  type PasskeyAssertionJson,
  type PasskeyRegistrationJson,
  type PasskeyRequestOptionsJson,
} from './passkeys.js';
import {
  endsConfirmation,
  hasUnknownOutcome,
  problemOf,
  UNREACHABLE,
  type TwoFactorResult,
} from './problems.js';

/** What `createTwoFactorClient` takes. */
export interface TwoFactorClientSettings {
  /** Where the controller is, such as `https://api.acme.example/2factor`. @default '/2factor' */
  readonly url?: string | undefined;
  /** Headers of every request, such as a token against cross-site requests. @default none */
  readonly headers?:
    | Readonly<Record<string, string>>
    | (() => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>)
    | undefined;
  /** As for `fetch`; `include` for a controller of another origin. @default 'same-origin' */
  readonly credentials?: 'omit' | 'same-origin' | 'include' | undefined;
  /** Milliseconds until a call that has no answer is `unreachable`. @default 30000 */
  readonly timeoutMs?: number | undefined;
  /** Takes the answer out of what an interceptor of the application wraps around it. @default the answer itself */
  readonly unwrap?: ((body: unknown) => unknown) | undefined;
  /** Keeps the keys of `Idempotency-Key` over reloads. @default sessionStorage */
  readonly storage?: TabStorage | undefined;
  /** @default the `fetch` of the browser */
  readonly fetch?: typeof fetch | undefined;
}

/** What each call takes. */
export interface CallOptions {
  /** Ends the call, which then throws the reason of the signal. */
  readonly signal?: AbortSignal | undefined;
}

type ProofOptions = CallOptions & {
  /** The id of a confirmed confirmation of the purpose `factors`, for exactly this change. */
  readonly proof?: string | undefined;
};

/** The factors of the person who is signed in. Only where the server has methods and declares the purpose `factors`. */
export interface FactorsClient {
  list(
    options?: CallOptions,
  ): Promise<TwoFactorResult<{ readonly factors: readonly FactorAnswer[] }>>;
  /** Begins an enrolment. */
  enrol(body: EnrolBody<'totp'>, options?: ProofOptions): Promise<TwoFactorResult<BegunAppAnswer>>;
  enrol(
    body: EnrolBody<'passkey'>,
    options?: ProofOptions,
  ): Promise<TwoFactorResult<BegunPasskeyAnswer>>;
  /** Begins the enrolment of a passkey, and finishes it. The proof is spent, also when the person closes the dialog of the browser. */
  enrolPasskey(
    body?: Omit<EnrolBody, 'method'>,
    options?: ProofOptions,
  ): Promise<TwoFactorResult<ActivatedFactorAnswer>>;
  /**
   * Lets the person create the passkey of an enrolment, and activates it. After `passkey-unanswered` it can be called again without
   * another proof, until the enrolment ends 15 minutes after `enrol`.
   */
  finishPasskey(
    begun: BegunPasskeyAnswer,
    options?: CallOptions,
  ): Promise<TwoFactorResult<ActivatedFactorAnswer>>;
  /** Completes an enrolment by the first code, or by the new passkey. */
  activate(
    body: ActivateBody,
    options?: CallOptions,
  ): Promise<TwoFactorResult<ActivatedFactorAnswer>>;
  rename(body: RenamedFactor, options?: ProofOptions): Promise<TwoFactorResult<RenamedFactor>>;
  remove(body: RemoveBody, options?: ProofOptions): Promise<TwoFactorResult<RemovedFactorAnswer>>;
  /** Replaces the recovery codes. */
  recoveryCodes(options?: ProofOptions): Promise<TwoFactorResult<RecoveryCodesAnswer>>;
}

/** The routes of the bundled controller. No call throws a problem: each returns it. */
export interface TwoFactorClient {
  /**
   * Requests a confirmation. All calls of one flow have one `Idempotency-Key`, over reloads of the page too: they get the same
   * confirmation, and one message is sent. A flow ends with its confirmation; the next request is a new one.
   *
   * @param options.flow the name of what the person does. By default it is the body, so that another amount is another flow.
   */
  requestConfirmation(
    body: RequestBody,
    options?: CallOptions & { readonly flow?: string | undefined },
  ): Promise<TwoFactorResult<RequestedConfirmation>>;
  confirm(
    body: ConfirmBody,
    options?: CallOptions,
  ): Promise<TwoFactorResult<ConfirmedConfirmation>>;
  /** Asks the server for a challenge and the person for a passkey, and confirms with it. */
  confirmWithPasskey(
    id: string,
    options?: CallOptions,
  ): Promise<TwoFactorResult<ConfirmedConfirmation>>;
  /**
   * Sends the code again, or the first code of a confirmation that was begun by another method. A repeat after a lost answer has the
   * same key, so that one message is sent.
   *
   * @param options.flow calls of one flow send one message, over reloads of the page too. By default each call is a flow of its own,
   * which ends with its answer.
   * @param options.way the sender of that first code, such as `sms`. By default it is the first one that the purpose allows.
   */
  resend(
    id: string,
    options?: CallOptions & {
      readonly way?: string | undefined;
      readonly flow?: string | undefined;
    },
  ): Promise<TwoFactorResult<RequestedConfirmation>>;
  check(id: string, options?: CallOptions): Promise<TwoFactorResult<CheckedConfirmation>>;
  /** What `navigator.credentials.get` needs, as JSON. */
  challenge(id: string, options?: CallOptions): Promise<TwoFactorResult<PasskeyRequestOptionsJson>>;
  /** Lets the next request of a flow be for a new confirmation, such as after the person went back. */
  forget(flow: string | RequestBody): void;
  readonly factors: FactorsClient;
}

/** The name of a key: of one press of the button, or of a flow, such as the `first` message of the element. */
const resendKeyName = (id: string, flow?: string): string =>
  `resend ${id}${flow === undefined ? '' : ` ${flow}`}`;

/** Settles as the action does, and is rejected as soon as the signal is aborted. */
const untilAborted = <T>(signal: AbortSignal, action: () => T | Promise<T>): Promise<T> =>
  Promise.race([
    action(),
    new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error));
    }),
  ]);

/**
 * A client of the bundled controller, for browsers.
 *
 * @example
 * ```ts
 * import { createTwoFactorClient } from 'nestjs-two-factor/client';
 *
 * const client = createTwoFactorClient({ url: '/2factor' });
 * const asked = await client.requestConfirmation({ purpose: 'transfer', details });
 * if (!asked.ok) return show(asked.problem.error);
 * const confirmed = await client.confirm({ id: asked.value.id, code });
 * ```
 */
export function createTwoFactorClient(settings: TwoFactorClientSettings = {}): TwoFactorClient {
  const { url = '/2factor', headers, credentials = 'same-origin', timeoutMs = 30_000 } = settings;
  const keys = idempotencyKeys(settings.storage);
  /** By the id of each confirmation that this page has requested, the name and the key of the flow that requested it. */
  const flows = new Map<string, readonly [flow: string, key: string]>();

  async function post<T>(
    route: string,
    body: object,
    { signal }: CallOptions = {},
    more: Readonly<Record<string, string>> = {},
  ): Promise<TwoFactorResult<T>> {
    const timeout = AbortSignal.timeout(timeoutMs);
    const end = signal ? AbortSignal.any([signal, timeout]) : timeout;
    try {
      end.throwIfAborted();
      const given = typeof headers === 'function' ? await untilAborted(end, headers) : headers;
      const response = await (settings.fetch ?? fetch)(`${url}/${route}`, {
        method: 'POST',
        headers: { ...given, 'Content-Type': 'application/json', ...more },
        body: JSON.stringify(body),
        credentials,
        signal: end,
      });
      const text = await response.text();
      let document: unknown;
      try {
        document = JSON.parse(text);
      } catch {
        return { ok: false, problem: problemOf(response, undefined) };
      }
      if (!response.ok) return { ok: false, problem: problemOf(response, document) };
      const value = settings.unwrap ? settings.unwrap(document) : document;
      // Every answer of the controller is an object.
      if (typeof value !== 'object' || value === null) {
        return { ok: false, problem: problemOf(response, document) };
      }
      return { ok: true, value: value as T };
    } catch {
      signal?.throwIfAborted();
      return UNREACHABLE;
    }
  }

  const withKey = (key: string): Record<string, string> => ({ 'Idempotency-Key': `"${key}"` });
  const withProof = ({ proof }: ProofOptions = {}): Record<string, string> =>
    proof === undefined ? {} : { 'X-Confirmation-Id': proof };

  async function fromBrowser<T>(
    action: () => Promise<T>,
    { signal }: CallOptions = {},
  ): Promise<TwoFactorResult<T>> {
    try {
      return { ok: true, value: await action() };
    } catch (error) {
      signal?.throwIfAborted();
      const reason = (error as Error).name;
      return { ok: false, problem: { error: 'passkey-unanswered', status: 0, reason } };
    }
  }

  /** Lets the next request of a confirmation's flow be for a new confirmation, once this one is confirmed or over. */
  function endFlow<T>(id: string, result: TwoFactorResult<T>, isConfirmed = false): typeof result {
    const flow = flows.get(id);
    if (result.ok ? isConfirmed : endsConfirmation(result.problem)) {
      if (flow !== undefined) keys.forget(...flow);
      // Not by a list of the flows of this page: the first message may have been sent before a reload.
      keys.forget(resendKeyName(id, 'first'));
    }
    return result;
  }

  const challenge: TwoFactorClient['challenge'] = async (id, options) =>
    endFlow(id, await post('challenge', { id, method: 'passkey' }, options));

  const confirm: TwoFactorClient['confirm'] = async (body, options) =>
    endFlow(body.id, await post('confirm', body, options), true);

  const enrol = (body: EnrolBody, options?: ProofOptions): Promise<TwoFactorResult<never>> =>
    post('factors/enrol', body, options, withProof(options));

  const activate: FactorsClient['activate'] = (body, options) =>
    post('factors/activate', body, options);

  const finishPasskey: FactorsClient['finishPasskey'] = async (begun, options) => {
    const made = await fromBrowser<PasskeyRegistrationJson>(
      () => createPasskey(begun.options, options?.signal),
      options,
    );
    return made.ok ? activate({ factor: begun.factor.id, response: made.value }, options) : made;
  };

  return {
    challenge,
    confirm,
    requestConfirmation: async (body, { flow = JSON.stringify(body), signal } = {}) => {
      let key = keys.keyOf(flow);
      const ask = (): Promise<TwoFactorResult<RequestedConfirmation>> =>
        post('request-confirmation', body, { signal }, withKey(key));
      let asked = await ask();
      // The key may lead to a confirmation of this tab that is over by now. One that is confirmed still serves.
      const isOld = asked.ok
        ? asked.value.expiresIn === 0
        : asked.problem.error === 'idempotency-key-reused' ||
          (endsConfirmation(asked.problem) && asked.problem.error !== 'already-confirmed');
      if (isOld) {
        keys.forget(flow, key);
        key = keys.keyOf(flow);
        asked = await ask();
      }
      if (asked.ok) flows.set(asked.value.id, [flow, key]);
      // The confirmation exists, and its message can be sent again.
      else if (asked.problem.error === 'send-failed') flows.set(asked.problem.id, [flow, key]);
      return asked;
    },
    confirmWithPasskey: async (id, options) => {
      const challenged = await challenge(id, options);
      if (!challenged.ok) return challenged;
      const read = await fromBrowser<PasskeyAssertionJson>(
        () => readPasskey(challenged.value, options?.signal),
        options,
      );
      if (!read.ok) return read;
      return confirm({ id, method: 'passkey', response: read.value }, options);
    },
    resend: async (id, { way, flow, signal } = {}) => {
      const name = resendKeyName(id, flow);
      const key = keys.keyOf(name);
      const body = way === undefined ? { id } : { id, way };
      const sent = await post<RequestedConfirmation>('resend', body, { signal }, withKey(key));
      const result = endFlow(id, sent);
      // The answer to a press of the button ends it: the next press sends the next message. An answer that was lost leaves open whether this
      // one was sent, so that its repeat must have the same key.
      if (flow === undefined && (result.ok || !hasUnknownOutcome(result.problem)))
        keys.forget(name, key);
      return result;
    },
    check: (id, options) => post('check', { id }, options),
    forget: (flow) => keys.forget(typeof flow === 'string' ? flow : JSON.stringify(flow)),
    factors: {
      enrol,
      activate,
      list: (options) => post('factors/list', {}, options),
      enrolPasskey: async (body = {}, options) => {
        const begun: TwoFactorResult<BegunPasskeyAnswer> = await enrol(
          { ...body, method: 'passkey' },
          options,
        );
        return begun.ok ? finishPasskey(begun.value, options) : begun;
      },
      finishPasskey,
      rename: (body, options) => post('factors/rename', body, options, withProof(options)),
      remove: (body, options) => post('factors/remove', body, options, withProof(options)),
      recoveryCodes: (options) => post('factors/recovery-codes', {}, options, withProof(options)),
    },
  };
}
