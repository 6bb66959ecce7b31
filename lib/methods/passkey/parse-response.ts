import { decodeBase64Url } from '../../crypto/index.js';
import { TwoFactorInputError } from '../../errors/index.js';
import type {
  PasskeyAssertionResponse,
  PasskeyRegistrationResponse,
} from '../../confirmation/index.js';

/** Characters of all members that are read. A passkey of an ordinary authenticator needs 600 to 3,000. */
const MAX_LENGTH = 8_192;
/** 1,023 bytes (WebAuthn Level 3, 5.8.3), in base64url. */
const MAX_CREDENTIAL_ID_LENGTH = 1_364;
const MAX_TRANSPORTS = 8;
const TRANSPORT = /^[a-z][a-z-]{0,31}$/;
const RULE = `A passkey's response is what toJSON() of the browser's credential answers, in base64url and up to ${MAX_LENGTH} characters.`;

/**
 * Takes what a browser answered to `PasskeyRequestOptions` apart. Only lengths, types and alphabets are checked, lengths first: a
 * text of megabytes is refused without being read.
 *
 * @throws TwoFactorInputError for anything but a well-formed response up to 8 kB. Nothing is charged then.
 */
export function parseAssertion(response: unknown): PasskeyAssertionResponse {
  const { id, inner } = parseCredential(response);
  const { clientDataJSON, authenticatorData, signature } = inner;
  // Some security keys answer an empty handle instead of none.
  const userHandle = inner['userHandle'] === '' ? undefined : (inner['userHandle'] ?? undefined);
  const optional = userHandle === undefined ? [] : [userHandle];
  assertMembers(id, [clientDataJSON, authenticatorData, signature, ...optional]);
  return {
    id,
    rawId: id,
    type: 'public-key',
    response: {
      clientDataJSON: clientDataJSON as string,
      authenticatorData: authenticatorData as string,
      signature: signature as string,
      ...(userHandle !== undefined && { userHandle: userHandle as string }),
    },
  };
}

/**
 * Takes what a browser answered to `PasskeyCreationOptions` apart, as `parseAssertion` does.
 *
 * @throws TwoFactorInputError for anything but a well-formed response up to 8 kB.
 */
export function parseRegistration(response: unknown): PasskeyRegistrationResponse {
  const { id, inner } = parseCredential(response);
  const { clientDataJSON, attestationObject } = inner;
  assertMembers(id, [clientDataJSON, attestationObject]);
  return {
    id,
    rawId: id,
    type: 'public-key',
    response: {
      clientDataJSON: clientDataJSON as string,
      attestationObject: attestationObject as string,
      transports: parseTransports(inner['transports']),
    },
  };
}

function parseCredential(value: unknown): {
  readonly id: string;
  readonly inner: Readonly<Record<string, unknown>>;
} {
  if (!isObject(value) || !isObject(value['response'])) refuse();
  const { id, rawId, type } = value;
  if (typeof id !== 'string' || id.length > MAX_CREDENTIAL_ID_LENGTH || id !== rawId) refuse();
  if (type !== 'public-key') refuse();
  return { id, inner: value['response'] };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function assertMembers(id: string, members: readonly unknown[]): void {
  const texts: string[] = [];
  let length = 0;
  for (const text of [id, ...members]) {
    if (typeof text !== 'string') refuse();
    length += text.length;
    texts.push(text);
  }
  if (length > MAX_LENGTH || !texts.every(isBase64url)) refuse();
}

/** Whether a text is the only base64url text of some bytes, so that one credential has one id. */
function isBase64url(text: string): boolean {
  return text !== '' && decodeBase64Url(text) !== null;
}

/**
 * The transports of a passkey, such as `usb`, are hints for the browser, and are stored. Every entry that is not a short name of
 * lower-case letters is dropped, so that a client cannot store other texts.
 */
function parseTransports(value: unknown): string[] {
  if (!Array.isArray(value)) return [];
  return value
    .slice(0, MAX_TRANSPORTS)
    .filter((name): name is string => typeof name === 'string' && TRANSPORT.test(name));
}

/** @throws TwoFactorInputError always: the client sent a response of a passkey that is malformed. */
function refuse(): never {
  throw new TwoFactorInputError(RULE);
}
