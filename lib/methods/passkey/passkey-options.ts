import { createHash } from 'node:crypto';

import { TwoFactorConfigurationError } from '../../errors/index.js';
import { isOneLine, ONE_LINE_RULE } from '../../options/index.js';
import { formatValue } from '../../options/settings.js';
import { expectObject, refuseUnknown, withDefault } from '../../options/validate.js';

/** The options of passkeys. */
export interface PasskeyOptions {
  /** The name of the application, which browsers may show: one line of 1 to 64 characters. */
  readonly rpName: string;
  /**
   * The domain that passkeys belong to, such as `acme.example`. Passkeys work on its subdomains too. Another domain later makes
   * every passkey useless.
   */
  readonly rpId: string;
  /**
   * Where the pages are that use passkeys: `https://` origins whose host is `rpId` or a subdomain of it, `http://localhost` with
   * any port for development, and `android:apk-key-hash:` origins of Android apps. List few: a page on any of these origins can
   * ask for a passkey.
   */
  readonly origins: readonly string[];
  /**
   * `https://` origins of other domains that use the same passkeys. Browsers allow that only if
   * `https://<rpId>/.well-known/webauthn` lists them (WebAuthn Level 3, 5.11).
   *
   * @default none
   */
  readonly relatedOrigins?: readonly string[] | undefined;
  /**
   * Whether passkeys are accepted that a provider may copy to other devices of the same person. Without them, most telephones and
   * browsers cannot enrol; security keys can.
   *
   * @default true
   */
  readonly synced?: boolean | undefined;
}

/** The options of passkeys, checked. */
export interface ResolvedPasskeyOptions {
  readonly rpName: string;
  readonly rpId: string;
  /** SHA-256 of `rpId`, as authenticators sign it. */
  readonly rpIdHash: Buffer;
  /** All origins that are accepted, related ones included. */
  readonly origins: ReadonlySet<string>;
  readonly synced: boolean;
}

const OPTIONS = ['rpName', 'rpId', 'origins', 'relatedOrigins', 'synced'];
const MAX_RP_NAME_LENGTH = 64;
const LOCALHOST = 'localhost';
const MAX_DOMAIN_LENGTH = 253;
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
/** SHA-256 of the certificate that signed the app, in base64url. */
const ANDROID_ORIGIN = /^android:apk-key-hash:[\w-]{43}$/;

/** @throws TwoFactorConfigurationError for options that are unsafe, or with which no browser would use a passkey. */
export function resolvePasskeyOptions(input: PasskeyOptions): ResolvedPasskeyOptions {
  const options = expectObject('The argument of passkeys', input, 'Give rpName, rpId and origins.');
  refuseUnknown('option of passkeys', options, OPTIONS);
  const rpId = resolveRpId(options['rpId']);
  const origins = texts('origins', options['origins']);
  const related = texts('relatedOrigins', withDefault(options['relatedOrigins'], []));
  if (origins.length === 0) {
    refuse(`Option origins of passkeys is empty. List the origin of your pages: https://${rpId}.`);
  }
  for (const origin of related) assertHttpsOrigin('relatedOrigins', origin);
  for (const origin of origins) assertOrigin(origin, rpId, related);
  return Object.freeze({
    rpName: resolveRpName(options['rpName']),
    rpId,
    rpIdHash: createHash('sha256').update(rpId).digest(),
    origins: new Set([...origins, ...related]),
    synced: resolveSynced(options['synced']),
  });
}

function resolveRpName(value: unknown): string {
  if (
    typeof value !== 'string' ||
    value.trim() === '' ||
    value.length > MAX_RP_NAME_LENGTH ||
    !isOneLine(value)
  ) {
    refuse(
      `Option rpName of passkeys is ${formatValue(value)}. Give the application's name: ${ONE_LINE_RULE}, ` +
        `of 1 to ${MAX_RP_NAME_LENGTH} characters.`,
    );
  }
  return value;
}

function resolveRpId(value: unknown): string {
  if (typeof value !== 'string' || !isDomain(value)) {
    refuse(
      `Option rpId of passkeys is ${formatValue(value)}. Give a domain in lower case without scheme and port, such as ` +
        'acme.example, or localhost for development. An IP address is none, and a name with other letters is written in ' +
        'Punycode (xn--).',
    );
  }
  return value;
}

/** Browsers accept no IP address and no top-level domain. A last label of digits makes an IPv4 address of any name. */
function isDomain(text: string): boolean {
  if (text === LOCALHOST) return true;
  if (text.length > MAX_DOMAIN_LENGTH) return false;
  const labels = text.split('.');
  return (
    labels.length > 1 && labels.every((label) => LABEL.test(label)) && !/^\d/.test(labels.at(-1)!)
  );
}

function resolveSynced(value: unknown): boolean {
  const synced = withDefault(value, true);
  if (typeof synced !== 'boolean') {
    refuse(`Option synced of passkeys is ${formatValue(value)}. Give true or false.`);
  }
  return synced;
}

function texts(option: string, value: unknown): readonly string[] {
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) {
    refuse(
      `Option ${option} of passkeys is ${formatValue(value)}. Give an array of origins, such as ['https://acme.example'].`,
    );
  }
  return value;
}

function assertOrigin(origin: string, rpId: string, related: readonly string[]): void {
  if (ANDROID_ORIGIN.test(origin)) return;
  const url = parsed(origin);
  const isLocal = url?.protocol === 'http:' && url.hostname === LOCALHOST;
  if (!isLocal || url.origin !== origin) assertHttpsOrigin('origins', origin);
  const host = url!.hostname;
  if (host === rpId || host.endsWith(`.${rpId}`) || related.includes(origin)) return;
  refuse(
    `Option origins of passkeys has ${formatValue(origin)}, and browsers use passkeys of ${rpId} only on that domain and its ` +
      `subdomains. Correct rpId, or list the origin under relatedOrigins and at https://${rpId}/.well-known/webauthn.`,
  );
}

function assertHttpsOrigin(option: string, origin: string): void {
  const url = parsed(origin);
  if (url?.protocol === 'https:' && url.origin === origin) return;
  const isLocal = option === 'origins' && url?.protocol === 'http:' && url.hostname === LOCALHOST;
  const remedy =
    url?.protocol === 'https:' || isLocal
      ? `Write ${url.origin}: scheme, host and port, as browsers send them.`
      : 'Browsers use passkeys on https:// origins and, for development, on http://localhost. An Android app has ' +
        'android:apk-key-hash: and the SHA-256 of its certificate in base64url.';
  refuse(`Option ${option} of passkeys has ${formatValue(origin)}. ${remedy}`);
}

function parsed(text: string): URL | null {
  return URL.canParse(text) ? new URL(text) : null;
}

function refuse(message: string): never {
  throw new TwoFactorConfigurationError(message);
}
