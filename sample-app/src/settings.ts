import { fileURLToPath } from 'node:url';

/** What the environment says, read once. */
export interface Settings {
  readonly isDevelopment: boolean;
  readonly host: string;
  readonly port: number;
  readonly dataFolder: string;
  /** `postgres://...` or `mysql://...`; without one there is a file in the data folder. */
  readonly databaseUrl: string | undefined;
  /** `smtp://...`; without one the application is its own mail server, in development. */
  readonly smtpUrl: string | undefined;
  readonly mailFrom: string;
  readonly twoFactorSecret: string | undefined;
  /** Whether mail and text messages stay here and are shown at `/inbox`. */
  readonly hasInbox: boolean;
}

const DATA_FOLDER = fileURLToPath(new URL('../data', import.meta.url));

export function readSettings(environment: NodeJS.ProcessEnv): Settings {
  const given = (name: string): string | undefined => environment[name] || undefined;
  // As in nestjs-two-factor: unset counts as production, since containers leave it unset.
  const isDevelopment = ['development', 'test'].includes(environment['NODE_ENV'] ?? '');
  const smtpUrl = given('SMTP_URL');
  if (!isDevelopment && smtpUrl === undefined) {
    throw new Error(
      'There is no mail server. Set SMTP_URL (only NODE_ENV=development and NODE_ENV=test go without).',
    );
  }
  const hasInbox = isDevelopment && smtpUrl === undefined;
  return {
    isDevelopment,
    hasInbox,
    smtpUrl,
    // The inbox shows codes to whoever can reach it.
    host: given('HOST') ?? (hasInbox ? '127.0.0.1' : '0.0.0.0'),
    port: portOf(given('PORT') ?? '3000'),
    dataFolder: given('DATA_FOLDER') ?? DATA_FOLDER,
    databaseUrl: given('DATABASE_URL'),
    mailFrom: given('MAIL_FROM') ?? 'Sample Bank <no-reply@bank.example>',
    twoFactorSecret: given('TWO_FACTOR_SECRET'),
  };
}

function portOf(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port <= 65_535) return port;
  throw new Error(`PORT is ${JSON.stringify(text)}. Give a number from 0 to 65535.`);
}

export const settings = readSettings(process.env);
