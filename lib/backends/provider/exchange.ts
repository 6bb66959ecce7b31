import { SendFailure } from '../../sender/index.js';
import { withTimeout } from '../../with-timeout.js';

/** One request to a provider. */
export interface ProviderRequest {
  readonly url: string | URL;
  readonly method?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array<ArrayBuffer>;
}

/** What a provider answered. */
export interface ProviderAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** `null` for a body above 64 kB, of which the rest was not read. */
  readonly text: string | null;
}

/** A longer answer is not read to its end, so that a provider cannot fill the memory. */
const MAX_BODY_BYTES = 65_536;

/** Codes of Node and undici after which the request has certainly not been sent. */
const NEVER_SENT: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
  'EPROTO',
  // Certificates that OpenSSL refuses.
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'HOSTNAME_MISMATCH',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);
const TLS_PREFIXES = ['ERR_TLS_', 'ERR_SSL_'];

/**
 * Sends one request, and reads at most 64 kB of its answer. Redirects are not followed, because they would carry the code and the
 * credentials to another host.
 *
 * @throws SendFailure (`transient`) when there is no answer within `timeoutMs`, or no connection; the reason of `signal` when that
 * is aborted.
 */
export async function exchange(
  request: ProviderRequest,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<ProviderAnswer> {
  signal.throwIfAborted();
  let timeout: AbortSignal | undefined;
  try {
    return await withTimeout(timeoutMs, (ended) => {
      timeout = ended;
      return fetchBounded(request, AbortSignal.any([signal, ended]));
    });
  } catch (error) {
    signal.throwIfAborted();
    if (timeout?.aborted) {
      throw new SendFailure('transient', `no answer within ${timeoutMs} ms`, {
        mayHaveArrived: true,
      });
    }
    throw connectionFailure(error);
  }
}

async function fetchBounded(
  { url, method = 'POST', headers, body }: ProviderRequest,
  signal: AbortSignal,
): Promise<ProviderAnswer> {
  const response = await fetch(url, {
    method,
    // A compressed answer could be long in memory and short on the wire.
    headers: { 'accept-encoding': 'identity', ...headers },
    body,
    signal,
    redirect: 'manual',
  });
  return {
    status: response.status,
    headers: response.headers,
    text: await textOf(response),
  };
}

async function textOf({ body }: Response): Promise<string | null> {
  if (body === null) return '';
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  // Leaving the loop cancels the stream, which closes the connection.
  for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function connectionFailure(error: unknown): SendFailure {
  // `fetch` throws a TypeError, and what happened is its cause.
  const cause = (error as { readonly cause?: unknown } | null)?.cause ?? error;
  const { code, message } = (cause ?? {}) as { code?: unknown; message?: unknown };
  const name = typeof code === 'string' ? code : '';
  const isUnsent = NEVER_SENT.has(name) || TLS_PREFIXES.some((prefix) => name.startsWith(prefix));
  const words = [name, message].filter((text) => typeof text === 'string' && text !== '');
  return new SendFailure('transient', `the connection failed (${words.join(': ')})`, {
    mayHaveArrived: !isUnsent,
    concernsAll: isUnsent,
  });
}
