import { isIP } from 'node:net';
import { fileURLToPath } from 'node:url';

import { Global, Inject, Module, type DynamicModule } from '@nestjs/common';

/** The configuration of the application. It is read from the environment once, when the process starts. */
export interface Settings {
  readonly isDevelopment: boolean;
  readonly host: string;
  readonly port: number;
  /** The address that browsers use, such as `https://bank.example`. Development takes the request's own host. */
  readonly publicOrigin: string | undefined;
  /**
   * The origin whose pages can use passkeys; `undefined` when there is none. Browsers use passkeys over HTTPS and on
   * `http://localhost`, and never for an IP address.
   */
  readonly passkeyOrigin: string | undefined;
  /** Which proxies may name the client's address: a number of hops, or a list of addresses and networks; `undefined`: none. */
  readonly trustProxy: number | readonly string[] | undefined;
  readonly dataFolder: string;
  /** `postgres://...` or `mysql://...`. Without one the database is a file in the data folder. */
  readonly databaseUrl: string | undefined;
  /** `redis://...`. Through it the workers of all processes share the sending. Without one each process sends its own messages. */
  readonly redisUrl: string | undefined;
  /** `smtp://...`. Without one the application is its own mail server, in development only. */
  readonly smtpUrl: string | undefined;
  readonly mailFrom: string;
  readonly twoFactorSecret: string | undefined;
  /** Whether mail and text messages stay in this process and are shown at `/inbox`. */
  readonly hasInbox: boolean;
}

const DATA_FOLDER = fileURLToPath(new URL('../data', import.meta.url));

/** @throws Error when a setting is missing or malformed. The message names the variable and the remedy. */
export function readSettings(environment: NodeJS.ProcessEnv): Settings {
  const given = (name: string): string | undefined => environment[name] || undefined;
  // An unset NODE_ENV counts as production, as in nestjs-two-factor: containers often leave it unset.
  const isDevelopment = ['development', 'test'].includes(environment['NODE_ENV'] ?? '');
  const smtpUrl = given('SMTP_URL');
  if (!isDevelopment && smtpUrl === undefined) {
    throw new Error(
      'There is no mail server. Set SMTP_URL (only NODE_ENV=development and NODE_ENV=test go without).',
    );
  }
  const hasInbox = isDevelopment && smtpUrl === undefined;
  const port = portOf(given('PORT') ?? '3000');
  const publicOrigin = originOf(given('PUBLIC_ORIGIN'), isDevelopment);
  return {
    isDevelopment,
    hasInbox,
    smtpUrl,
    // The inbox shows every code to every client that can reach it.
    host: given('HOST') ?? (hasInbox ? '127.0.0.1' : '0.0.0.0'),
    port,
    publicOrigin,
    passkeyOrigin: passkeyOriginOf(publicOrigin ?? `http://localhost:${port}`),
    trustProxy: trustProxyOf(given('TRUST_PROXY'), isDevelopment),
    dataFolder: given('DATA_FOLDER') ?? DATA_FOLDER,
    databaseUrl: given('DATABASE_URL'),
    redisUrl: redisUrlOf(given('REDIS_URL')),
    mailFrom: given('MAIL_FROM') ?? 'Sample Bank <no-reply@bank.example>',
    twoFactorSecret: given('TWO_FACTOR_SECRET'),
  };
}

function portOf(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port <= 65_535) return port;
  throw new Error(`PORT is ${JSON.stringify(text)}. Give a number from 0 to 65535.`);
}

function originOf(text: string | undefined, isDevelopment: boolean): string | undefined {
  if (text === undefined && isDevelopment) return undefined;
  const remedy =
    'Set PUBLIC_ORIGIN to the address that browsers use, such as https://bank.example.';
  if (text === undefined) throw new Error(`The public address is unknown. ${remedy}`);
  const isOrigin = URL.canParse(text) && new URL(text).origin === text;
  // A Secure cookie never comes back over plain HTTP, so that signing in could not work.
  if (isOrigin && (isDevelopment || text.startsWith('https://'))) return text;
  throw new Error(`PUBLIC_ORIGIN is ${JSON.stringify(text)}. ${remedy}`);
}

function redisUrlOf(text: string | undefined): string | undefined {
  if (text === undefined || /^rediss?:\/\/[^/]/.test(text)) return text;
  // The value is not repeated, because it may hold a password.
  throw new Error('REDIS_URL is no address of a Redis. Give one such as redis://127.0.0.1:6379.');
}

function passkeyOriginOf(text: string): string | undefined {
  const { protocol, hostname, origin } = new URL(text);
  if (hostname === 'localhost') return origin;
  const isAddress = isIP(hostname.replace(/^\[|\]$/g, '')) !== 0;
  return protocol === 'https:' && !isAddress ? origin : undefined;
}

/**
 * `true` is refused on purpose: it believes every `X-Forwarded-For`, so that each client chooses its own address and
 * escapes every limit per address. In production something in front speaks HTTPS. If it is a proxy that is not trusted, all clients have
 * its address, and the wrong passwords of one of them close the sign-in for all.
 */
function trustProxyOf(text: string | undefined, isDevelopment: boolean): Settings['trustProxy'] {
  if (text === 'none' || (text === undefined && isDevelopment)) return undefined;
  const remedy =
    'Give the number of proxies in front (1 to 9) or their addresses, such as 10.0.0.0/8; none where clients connect directly.';
  if (text === undefined) throw new Error(`TRUST_PROXY is not set. ${remedy}`);
  if (/^[1-9]$/.test(text)) return Number(text);
  const proxies = text.split(',').map((part) => part.trim());
  if (proxies.every((part) => /^[\da-f.:]+(?:\/\d{1,3})?$/i.test(part) && /[.:]/.test(part))) {
    return proxies;
  }
  throw new Error(`TRUST_PROXY is ${JSON.stringify(text)}. ${remedy}`);
}

const SETTINGS = Symbol('SETTINGS');

export const InjectSettings = (): ParameterDecorator => Inject(SETTINGS);

/** Makes the settings injectable everywhere. */
@Global()
@Module({})
export class SettingsModule {
  static register(settings: Settings): DynamicModule {
    const provider = { provide: SETTINGS, useValue: settings };
    return { module: SettingsModule, providers: [provider], exports: [provider] };
  }
}
