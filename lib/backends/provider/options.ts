import { TwoFactorConfigurationError } from '../../errors/index.js';
import { isDevelopment, isOneLine, NOT_DEVELOPMENT, ONE_LINE_RULE } from '../../options/index.js';
import type { Delivery } from '../../sender/index.js';

/** The options of every backend that calls a provider over HTTP. */
export interface ProviderOptions {
  /** Longest wait for the provider's answer, in milliseconds, 100 to 60000. @default 10000 */
  readonly timeoutMs?: number | undefined;
}

/** The options of every backend that sends a text. */
export interface TextOptions<Options> extends ProviderOptions {
  /** The name of your product in the default text. @default the option messages.product */
  readonly product?: string | undefined;
  /** Composes another text, with the code in it. @default a text in English */
  readonly compose?: ((delivery: Delivery<Options>) => string | Promise<string>) | undefined;
}

const DEFAULT_TIMEOUT_MS = 10_000;
const LOOPBACK: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);

/** Checks the options of one sender, so that a wrong one stops the boot and not the first message. */
export class OptionReader {
  readonly #options: Readonly<Record<string, unknown>>;

  /** @throws TwoFactorConfigurationError for what is no object, and for an unknown member. */
  constructor(
    private readonly sender: string,
    options: unknown,
    known: readonly string[],
  ) {
    if (typeof options !== 'object' || options === null || Array.isArray(options)) {
      throw this.error(`needs options. Give an object with ${known[0]}`);
    }
    this.#options = options as Record<string, unknown>;
    const unknown = Object.keys(options).find((name) => !known.includes(name));
    if (unknown !== undefined) {
      throw this.error(`has no option ${unknown}. Known: ${known.toSorted().join(', ')}`);
    }
  }

  error(sentence: string): TwoFactorConfigurationError {
    return new TwoFactorConfigurationError(`Sender ${this.sender} ${sentence}.`);
  }

  has(name: string): boolean {
    return this.#options[name] !== undefined;
  }

  /** A text of one line that is not empty. */
  text(name: string, rule: string, isValid: (text: string) => boolean = () => true): string {
    const value = this.#options[name];
    // The value is not repeated, because it may be a credential.
    if (typeof value !== 'string' || value === '' || !isOneLine(value) || !isValid(value)) {
      throw this.error(`needs the option ${name}: ${rule}, ${ONE_LINE_RULE}`);
    }
    return value;
  }

  optionalText(
    name: string,
    rule: string,
    isValid?: (text: string) => boolean,
  ): string | undefined {
    return this.has(name) ? this.text(name, rule, isValid) : undefined;
  }

  optionalFunction(name: string): void {
    if (this.has(name) && typeof this.#options[name] !== 'function') {
      throw this.error(`has an option ${name} that is no function. Give a function`);
    }
  }

  integer(name: string, fallback: number, min: number, max: number): number {
    const value = this.#options[name] ?? fallback;
    if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
      throw this.error(
        `has an option ${name} out of range. Give a whole number from ${min} to ${max}`,
      );
    }
    return value as number;
  }

  boolean(name: string, fallback: boolean): boolean {
    const value = this.#options[name] ?? fallback;
    if (typeof value !== 'boolean') {
      throw this.error(`has an option ${name} that is neither true nor false`);
    }
    return value;
  }

  timeoutMs(): number {
    return this.integer('timeoutMs', DEFAULT_TIMEOUT_MS, 100, 60_000);
  }

  /**
   * An address of a provider. Codes and credentials go there: `http` is allowed to this machine only, and in development only.
   */
  url(name: string, fallback?: string): URL {
    const value = this.#options[name] ?? fallback;
    if (typeof value !== 'string' || !URL.canParse(value)) {
      throw this.error(`needs the option ${name}: an absolute URL with https`);
    }
    const url = new URL(value);
    if (url.username !== '' || url.password !== '' || url.hash !== '') {
      throw this.error(`has credentials or a fragment in its option ${name}. Leave them out`);
    }
    if (url.protocol === 'https:') return url;
    if (url.protocol !== 'http:' || !LOOPBACK.has(url.hostname)) {
      throw this.error(`has an option ${name} without https, which would send codes in clear`);
    }
    if (!isDevelopment()) {
      throw this.error(`has an option ${name} without https, and ${NOT_DEVELOPMENT}`);
    }
    return url;
  }

  /** An address that paths are appended to, without a slash at its end. */
  baseUrl(fallback: string): string {
    const url = this.url('baseUrl', fallback);
    if (url.search !== '') throw this.error('has a query in its option baseUrl. Leave it out');
    let { href } = url;
    while (href.endsWith('/')) href = href.slice(0, -1);
    return href;
  }
}
