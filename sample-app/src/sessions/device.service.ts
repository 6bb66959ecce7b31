import { Injectable } from '@nestjs/common';
import { FactorService } from 'nestjs-two-factor';
import type { EntityManager } from 'typeorm';

import type { HttpRequest, HttpResponse } from '../http/http.js';
import { InjectSettings, type Settings } from '../settings.js';
import { OwnCookie } from './cookie.js';
import { deviceOf } from './device-name.js';

/** How long a browser is remembered. */
export const REMEMBERED_DAYS = 30;
const MAX_LABEL = 64;

/** The cookie of a browser that confirms sign-ins without a code. */
@Injectable()
export class DeviceCookieService {
  readonly #cookie: OwnCookie;

  constructor(@InjectSettings() settings: Settings) {
    this.#cookie = new OwnCookie('device', REMEMBERED_DAYS * 86_400, settings.isDevelopment);
  }

  tokenOf(request: HttpRequest): string | undefined {
    return this.#cookie.valueFrom(request);
  }

  set(response: HttpResponse, token: string): void {
    this.#cookie.set(response, token);
  }
}

/** A browser that is remembered from now on, with the value of its cookie. */
interface RememberedBrowser {
  readonly token: string;
}

/** Remembers browsers. */
@Injectable()
export class DeviceService {
  constructor(
    private readonly factors: FactorService,
    private readonly cookie: DeviceCookieService,
  ) {}

  /**
   * Remembers the browser of a request by the proof of a sign-in, which was used in the same transaction.
   *
   * @returns `null` for a proof that remembers no browser, such as one by a recovery code.
   */
  remember(
    confirmation: string,
    request: HttpRequest,
    manager: EntityManager,
  ): Promise<RememberedBrowser | null> {
    const label = deviceOf(request).slice(0, MAX_LABEL).trim();
    return this.factors.remember({ confirmation, label, manager });
  }

  /** Once the transaction has committed. */
  setCookie(response: HttpResponse, { token }: RememberedBrowser): void {
    this.cookie.set(response, token);
  }
}
