import { redact, secretsOf } from '../../delivery/redact.js';
import { TwoFactorRecipientError } from '../../errors/index.js';
import {
  SendFailure,
  type Delivery,
  type SendFailureKind,
  type SendFailureOptions,
} from '../../sender/index.js';
import { exchange, type ProviderAnswer, type ProviderRequest } from './exchange.js';

/** The members of a delivery that no error may contain. */
type Secrets = Pick<Delivery, 'code' | 'state' | 'token'>;

/**
 * The judgement of a provider's refusal: it concerns this recipient, it concerns the region of the recipient, which a setting of
 * the account excludes, or it has another kind.
 */
export type Verdict =
  | 'recipient'
  | 'region'
  | { readonly kind: SendFailureKind; readonly options?: SendFailureOptions };

/** The account is refused for every recipient. */
export const ACCOUNT_REFUSED: Verdict = { kind: 'ours', options: { concernsAll: true } };
/** The request is refused; that may depend on the recipient. */
export const REQUEST_REFUSED: Verdict = { kind: 'ours' };

/** Answers by which a server says that the address or the credentials of every request are wrong. */
const ACCOUNT_STATUSES: ReadonlySet<number> = new Set([401, 402, 404, 405, 407, 410, 421]);
/** A gateway that lost the answer of the server behind it, or did not wait for it. */
const LOST_STATUSES: ReadonlySet<number> = new Set([408, 502, 504]);
const MAX_SHOWN_CHARACTERS = 300;

/** Calls one provider over HTTP, and turns its answers into errors without codes, phone numbers, addresses and credentials. */
export class Provider {
  /** @param credentials the secrets of the account, which are replaced by `***` in every error. */
  constructor(
    readonly name: string,
    private readonly timeoutMs: number,
    private readonly credentials: readonly string[],
  ) {}

  /** @throws SendFailure when there is no answer. */
  async post(
    request: ProviderRequest,
    delivery: Secrets & Pick<Delivery, 'signal'>,
  ): Promise<ProviderAnswer> {
    try {
      return await exchange(request, this.timeoutMs, delivery.signal);
    } catch (error) {
      if (!(error instanceof SendFailure)) throw error;
      const { kind, message, mayHaveArrived, concernsAll } = error;
      throw this.error({ kind, options: { mayHaveArrived, concernsAll } }, message, delivery);
    }
  }

  /**
   * Asks whether the provider answers, by a request without a body. It names no recipient, so that no caller can make it fail, and no
   * provider sends a message for it.
   *
   * @throws when there is no answer, or the answer of a server that is down.
   */
  async ping(
    { url, headers }: Pick<ProviderRequest, 'url' | 'headers'>,
    signal: AbortSignal,
    isDown = (status: number): boolean => status >= 500,
  ): Promise<void> {
    const { status } = await exchange({ url, headers, body: '' }, this.timeoutMs, signal);
    if (isDown(status)) throw new SendFailure('transient', `${this.name}: HTTP ${status}`);
  }

  /** @param words what the provider answered: its own code and text. */
  error(verdict: Verdict, words: string, secrets: Secrets): Error {
    const clean = redact(words, ...secretsOf(secrets), ...this.credentials);
    if (verdict === 'recipient') {
      return new TwoFactorRecipientError(`${this.name} cannot deliver to this recipient.`, {
        cause: new Error(clean),
      });
    }
    if (verdict === 'region') {
      // The cause has the kind `ours`, because an operator can change the setting that excludes the region.
      return new TwoFactorRecipientError(`${this.name} does not deliver to this region.`, {
        cause: new SendFailure('ours', clean),
      });
    }
    const { kind, options } = verdict;
    return new SendFailure(kind, `${this.name}: ${clean}`, options);
  }
}

/** The verdict on an HTTP status that the provider has not explained by a code that is known. */
export function verdictOf({
  status,
  headers,
}: Pick<ProviderAnswer, 'status' | 'headers'>): Verdict {
  const retryAfterSeconds = retryAfter(headers.get('retry-after'));
  if (status === 429) return { kind: 'rate-limited', options: { retryAfterSeconds } };
  // A successful answer that is not the provider's comes from a server in between, which may have passed the message on.
  if (status < 300) return { kind: 'transient', options: { mayHaveArrived: true } };
  if (status < 400 || ACCOUNT_STATUSES.has(status)) return ACCOUNT_REFUSED;
  if (status >= 500 || status === 408 || status === 425) {
    const mayHaveArrived = LOST_STATUSES.has(status);
    return { kind: 'transient', options: { retryAfterSeconds, mayHaveArrived } };
  }
  return REQUEST_REFUSED;
}

/** The description of an answer without a known form: its status, and the beginning of its text. */
export function wordsOf({ status, text }: ProviderAnswer): string {
  if (status >= 300 && status < 400) {
    return `HTTP ${status}, a redirect, which is not followed: give the address that it leads to`;
  }
  return text === null
    ? `HTTP ${status}, with an answer above 64 kB`
    : `HTTP ${status}, ${text.trim().slice(0, MAX_SHOWN_CHARACTERS) || 'without a text'}`;
}

/** The members of a JSON object; empty for every other text. */
export function membersOf(text: string | null): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text ?? '');
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** Whole seconds of `Retry-After`: a number, or a date (RFC 9110 10.2.3). */
function retryAfter(value: string | null): number | null {
  if (value === null) return null;
  const text = value.trim();
  if (/^\d{1,15}$/.test(text)) return Number(text);
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : Math.max(0, Math.ceil((at - Date.now()) / 1_000));
}
