import { randomUUID } from 'node:crypto';

import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { MoreThan, Not, Repository, type EntityManager } from 'typeorm';

import { holdUser } from '../accounts/hold-user.js';
import type { User } from '../accounts/user.entity.js';
import type { HttpRequest, HttpResponse } from '../http/http.js';
import { onceForRequest } from '../http/once-for-request.js';
import { Refusal } from '../http/problem.js';
import { InjectSettings, type Settings } from '../settings.js';
import { FirstStep } from './first-step.entity.js';
import { drawToken, TokenCookie } from './cookie.js';
import { deviceOf } from './device-name.js';
import { Session } from './session.entity.js';

/** A session ends after half an hour without a request, and after eight hours in any case. */
const IDLE_MS = 30 * 60_000;
const ABSOLUTE_SECONDS = 8 * 3_600;
/** The last use is written once a minute at most, so that reading a page does not write to the database. */
const TOUCH_EVERY_MS = 60_000;

export function signInRequired(): Refusal {
  return new Refusal(401, 'sign-in-required', 'Please sign in.');
}

/** Signed-in browsers: a random token in a cookie, its hash in a table. */
@Injectable()
export class SessionService {
  readonly #cookie: TokenCookie;
  /** The session of a request, looked up once for each request. */
  readonly current = onceForRequest((request) => this.#find(this.#cookie.hashFrom(request)));

  constructor(
    @InjectRepository(Session) private readonly sessions: Repository<Session>,
    @InjectSettings() settings: Settings,
  ) {
    this.#cookie = new TokenCookie('session', ABSOLUTE_SECONDS, settings.isDevelopment);
  }

  async userOf(request: HttpRequest): Promise<User | null> {
    return (await this.current(request))?.user ?? null;
  }

  /**
   * Begins a session under a new token, whatever the request brought: a token that was planted in the browser before never
   * becomes a signed-in one (session fixation).
   *
   * @returns the token, for `setCookie` once the transaction has committed.
   */
  async open(user: User, request: HttpRequest, manager: EntityManager): Promise<string> {
    const brought = this.#cookie.hashFrom(request);
    if (brought !== undefined) await manager.delete(Session, { tokenHash: brought });
    const { token, hash } = drawToken();
    const now = Date.now();
    await manager.insert(Session, {
      tokenHash: hash,
      id: randomUUID(),
      userId: user.id,
      device: deviceOf(request),
      createdAt: now,
      lastUsedAt: now,
      expiresAt: now + ABSOLUTE_SECONDS * 1_000,
    });
    return token;
  }

  /**
   * Ends every session and every half-finished sign-in of a user and begins one new session. The current token is replaced
   * as well: a thief who stole the cookie has that very token, and would otherwise stay signed in.
   *
   * @returns the new token, for `setCookie` once the transaction has committed.
   * @throws Refusal 401 when the session of the request was ended meanwhile: the owner may have signed a thief out whose request still
   * waited, and that request must not end the owner's session.
   */
  async renew(user: User, request: HttpRequest, manager: EntityManager): Promise<string> {
    const tokenHash = this.#cookie.hashFrom(request);
    const own = { tokenHash: tokenHash ?? '', userId: user.id };
    const { affected } = await manager.delete(Session, own);
    if (affected !== 1) throw signInRequired();
    await manager.delete(FirstStep, { userId: user.id });
    await manager.delete(Session, { userId: user.id });
    return this.open(user, request, manager);
  }

  /** The sessions of a user that are still alive, the newest first. */
  list(user: User): Promise<Session[]> {
    const now = Date.now();
    return this.sessions.find({
      where: { userId: user.id, expiresAt: MoreThan(now), lastUsedAt: MoreThan(now - IDLE_MS) },
      order: { createdAt: 'DESC' },
      take: 50,
    });
  }

  /**
   * Ends one session of the user of a session.
   *
   * @returns whether there was one.
   * @throws Refusal 401 when the session that asks was ended meanwhile.
   */
  async end(asking: Session, id: string): Promise<boolean> {
    return this.sessions.manager.transaction(async (manager) => {
      await this.#hold(asking, manager);
      const { affected } = await manager.delete(Session, { id, userId: asking.userId });
      return affected === 1;
    });
  }

  /**
   * Ends all sessions of a user but the one that asks.
   *
   * @throws Refusal 401 when the session that asks was ended meanwhile.
   */
  async endOthers(asking: Session): Promise<void> {
    await this.sessions.manager.transaction(async (manager) => {
      await this.#hold(asking, manager);
      await manager.delete(Session, { userId: asking.userId, id: Not(asking.id) });
    });
  }

  /** Ends the session of a request. */
  async close(request: HttpRequest, response: HttpResponse): Promise<void> {
    const tokenHash = this.#cookie.hashFrom(request);
    if (tokenHash !== undefined) await this.sessions.delete({ tokenHash });
    this.#cookie.clear(response);
  }

  setCookie(response: HttpResponse, token: string): void {
    this.#cookie.set(response, token);
  }

  /**
   * Locks the user and the session that asks until the end of the transaction. The owner may have ended that session while its request
   * waited: the request of a thief who is signed out must not sign the owner out.
   */
  async #hold({ user, id, userId }: Session, manager: EntityManager): Promise<void> {
    // Changes of the account lock the user first, too. Otherwise two deletes that lock the sessions in two orders would deadlock.
    if (!(await holdUser(user, manager))) throw signInRequired();
    const { affected } = await manager.update(Session, { id, userId }, { lastUsedAt: Date.now() });
    if (affected !== 1) throw signInRequired();
  }

  async #find(tokenHash: string | undefined): Promise<Session | null> {
    if (tokenHash === undefined) return null;
    const now = Date.now();
    const session = await this.sessions.findOne({
      where: { tokenHash, expiresAt: MoreThan(now), lastUsedAt: MoreThan(now - IDLE_MS) },
      relations: { user: true },
    });
    if (session !== null && session.lastUsedAt < now - TOUCH_EVERY_MS) {
      await this.sessions.update({ tokenHash }, { lastUsedAt: now });
    }
    return session;
  }
}
