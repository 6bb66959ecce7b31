import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { LessThanOrEqual, MoreThan, Repository, type EntityManager } from 'typeorm';

import type { User } from '../accounts/user.entity.js';
import type { HttpRequest, HttpResponse } from '../http/http.js';
import { onceForRequest } from '../http/once-for-request.js';
import { InjectSettings, type Settings } from '../settings.js';
import { drawToken, TokenCookie } from './cookie.js';
import { FirstStep } from './first-step.entity.js';

/** Ten minutes in which a code can be typed, and five in which its proof can be used. */
const SECONDS = 15 * 60;

/** Remembers which browser gave the right password: it may ask for a code of that user, and for nothing else. */
@Injectable()
export class FirstStepService {
  readonly #cookie: TokenCookie;
  /** The user whose password this browser knew, looked up once for each request. */
  readonly userOf = onceForRequest((request) => this.#find(this.#cookie.hashFrom(request)));

  constructor(
    @InjectRepository(FirstStep) private readonly steps: Repository<FirstStep>,
    @InjectSettings() settings: Settings,
  ) {
    this.#cookie = new TokenCookie('sign-in', SECONDS, settings.isDevelopment);
  }

  /**
   * Begins under a new token, whatever the request brought.
   *
   * @returns the token, for `setCookie` once the transaction has committed.
   */
  async begin(userId: string, request: HttpRequest, manager: EntityManager): Promise<string> {
    const brought = this.#cookie.hashFrom(request);
    if (brought !== undefined) await manager.delete(FirstStep, { tokenHash: brought });
    const { token, hash } = drawToken();
    const expiresAt = Date.now() + SECONDS * 1_000;
    await manager.insert(FirstStep, { tokenHash: hash, userId, expiresAt });
    return token;
  }

  /** Ends the first step of a request. @returns whether it was there: of two calls at once one gets `true`. */
  async finish(request: HttpRequest, manager: EntityManager): Promise<boolean> {
    const tokenHash = this.#cookie.hashFrom(request);
    if (tokenHash === undefined) return false;
    const { affected } = await manager.delete(FirstStep, { tokenHash });
    return affected === 1;
  }

  /** Ends the first steps of a user that were taken until a time, in epoch milliseconds. */
  async endUntil(time: number, userId: string, manager: EntityManager): Promise<void> {
    const expiresAt = LessThanOrEqual(time + SECONDS * 1_000);
    await manager.delete(FirstStep, { userId, expiresAt });
  }

  setCookie(response: HttpResponse, token: string): void {
    this.#cookie.set(response, token);
  }

  clearCookie(response: HttpResponse): void {
    this.#cookie.clear(response);
  }

  async #find(tokenHash: string | undefined): Promise<User | null> {
    if (tokenHash === undefined) return null;
    const step = await this.steps.findOne({
      where: { tokenHash, expiresAt: MoreThan(Date.now()) },
      relations: { user: true },
    });
    return step?.user ?? null;
  }
}
