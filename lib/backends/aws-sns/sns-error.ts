import { describeThrown } from '../../delivery/redact.js';
import { SendFailure } from '../../sender/index.js';
import { ACCOUNT_REFUSED, REQUEST_REFUSED, verdictOf, type Verdict } from '../provider/provider.js';

/** The members of the SDK's errors that are read here. */
interface SnsError {
  readonly name?: unknown;
  readonly Code?: unknown;
  readonly message?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: unknown };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
}

// https://docs.aws.amazon.com/sns/latest/api/API_Publish.html and https://docs.aws.amazon.com/sns/latest/api/CommonErrors.html, with
// and without the ending `Exception`, which the SDK adds to some.
const THROTTLED: ReadonlySet<string> = new Set([
  'Throttled',
  'Throttling',
  'ThrottledException',
  'ThrottlingException',
]);
const REFUSED_ACCOUNT: ReadonlySet<string> = new Set([
  'AccessDenied',
  'AccessDeniedException',
  'AuthorizationError',
  'AuthorizationErrorException',
  'CredentialsProviderError',
  'ExpiredToken',
  'ExpiredTokenException',
  'IncompleteSignature',
  'InvalidClientTokenId',
  'InvalidSecurityException',
  'MissingAuthenticationToken',
  'NotAuthorized',
  'OptInRequired',
  'RequestExpired',
  'SignatureDoesNotMatch',
  'TokenProviderError',
  'UnrecognizedClientException',
]);
const OPTED_OUT: ReadonlySet<string> = new Set(['OptedOut', 'OptedOutException']);
const INVALID: ReadonlySet<string> = new Set([
  'InvalidParameter',
  'InvalidParameterException',
  'InvalidParameterValue',
  'InvalidParameterValueException',
]);

export function snsVerdict(error: unknown): Verdict {
  if (error instanceof SendFailure) {
    const { kind, mayHaveArrived, concernsAll } = error;
    return { kind, options: { mayHaveArrived, concernsAll } };
  }
  const { message, $metadata, $response } = error as SnsError;
  const name = nameOf(error);
  if (OPTED_OUT.has(name)) return 'recipient';
  if (REFUSED_ACCOUNT.has(name)) return ACCOUNT_REFUSED;
  if (INVALID.has(name))
    return String(message).includes('PhoneNumber') ? 'recipient' : REQUEST_REFUSED;
  const headers = new Headers($response?.headers);
  if (THROTTLED.has(name)) return verdictOf({ status: 429, headers });
  const status = $metadata?.httpStatusCode;
  return typeof status === 'number'
    ? verdictOf({ status, headers })
    : { kind: 'transient', options: { mayHaveArrived: true } };
}

/** Whether the error is an answer of a service that works, such as a refusal. */
export function isAnswered(error: unknown): boolean {
  const status = (error as SnsError).$metadata?.httpStatusCode;
  return typeof status === 'number' && status < 500;
}

export function snsWords(error: unknown): string {
  const status = (error as SnsError).$metadata?.httpStatusCode;
  const words = describeThrown(error);
  if (error instanceof SendFailure) return words;
  return `${typeof status === 'number' ? `HTTP ${status}, ` : ''}${nameOf(error)}: ${words}`;
}

function nameOf(error: unknown): string {
  const { Code, name } = error as SnsError;
  if (typeof Code === 'string') return Code;
  return typeof name === 'string' ? name : '';
}
