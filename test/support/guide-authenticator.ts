import { bytesOfBase32 } from '../../lib/methods/totp/base32.js';
import { stepAt, totpCode } from '../../lib/methods/totp/totp-code.js';

/** An authenticator app that shows a code once, as the server accepts each step once. */
export class GuideAuthenticator {
  readonly #parameters;
  #last: number;

  constructor(secret: string) {
    const bytes = bytesOfBase32(secret.replaceAll(' ', ''))!;
    this.#parameters = { secret: bytes, digits: 6, period: 30, algorithm: 'SHA1' } as const;
    this.#last = this.#now() - 2;
  }

  /** The next code that the server accepts: of the step before, this one or the next one. */
  async code(): Promise<string> {
    this.#last = Math.max(this.#last + 1, this.#now() - 1);
    while (this.#last > this.#now() + 1) {
      await new Promise((resolve) => {
        setTimeout(resolve, 200);
      });
    }
    return totpCode(this.#last, this.#parameters);
  }

  #now(): number {
    return stepAt(Date.now(), this.#parameters);
  }
}
