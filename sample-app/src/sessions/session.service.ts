import { randomUUID } from 'node:crypto';

import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import {
  LessThanOrEqual,
  MoreThan,
  Not,
  Repository,
  type EntityManager,
  type FindOptionsWhere,
} from 'typeorm';

import { holdUser } from '../accounts/hold-user.js';
import type { User } from '../accounts/user.entity.js';
import type { HttpRequest, HttpResponse } from '../http/http.js';
import { onceForRequest } from '../http/once-for-request.js';
import { Refusal } from '../http/problem.js';
import { NoticeService } from '../notices/notice.service.js';
import { InjectSettings, type Settings } from '../settings.js';
import { FirstStep } from './first-step.entity.js';
import { FirstStepService } from './first-step.service.js';
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
    private readonly firstSteps: FirstStepService,
    private readonly notices: NoticeService,
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
      codes: 0,
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
    return this.sessions.find({
      where: { userId: user.id, ...alive() },
      order: { createdAt: 'DESC' },
      take: 50,
    });
  }

  /**
   * Ends one session of the user of a session, and mails the owner, unless it has expired or is the session that asks.
   *
   * @returns whether there was one.
   * @throws Refusal 401 when the session that asks was ended meanwhile.
   * @throws Refusal 409 for a session that was begun later, for the reason of `endOthers`.
   */
  async end(asking: Session, id: string): Promise<boolean> {
    const { user, userId } = asking;
    const isEnded = await this.sessions.manager.transaction(async (manager) => {
      await this.#hold(asking, manager);
      const isNews = id !== asking.id && (await manager.existsBy(Session, { id, ...alive() }));
      const { affected } = await manager.delete(Session, { id, ...beganUntil(asking) });
      if (affected !== 1 && (await manager.existsBy(Session, { id, userId }))) {
        throw new Refusal(
          409,
          'newer-session',
          'That browser signed in later than this one. Sign in again, or change your password, to end newer sessions.',
        );
      }
      const isDeleted = affected === 1;
      if (isDeleted && isNews) await this.notices.add(user, { what: 'sessions' }, manager);
      return isDeleted;
    });
    this.notices.sendSoon();
    return isEnded;
  }

  /**
   * Ends the other sessions and half-finished sign-ins of a user that were begun until the session that asks was, and mails the owner.
   * Later ones stay: a thief with a stolen cookie could otherwise end each new session of the owner as soon as it begins, and the owner
   * would never get far enough to end the thief's.
   *
   * @returns how many later sessions stay. Half-finished sign-ins are not among them: a thief who asks again and again would read from that
   * number when the owner waits for a code.
   * @throws Refusal 401 when the session that asks was ended meanwhile.
   */
  async endOthers(asking: Session): Promise<number> {
    const { id, user, userId, createdAt } = asking;
    const newer = await this.sessions.manager.transaction(async (manager) => {
      await this.#hold(asking, manager);
      const others = { ...beganUntil(asking), id: Not(id) };
      // Sessions that have expired are deleted too, and are no news.
      const isNews = await manager.existsBy(Session, { ...others, ...alive() });
      await manager.delete(Session, others);
      if (isNews) await this.notices.add(user, { what: 'sessions' }, manager);
      await this.firstSteps.endUntil(createdAt, userId, manager);
      return manager.countBy(Session, { userId, id: Not(id), ...alive() });
    });
    this.notices.sendSoon();
    return newer;
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
    const session = await this.sessions.findOne({
      where: { tokenHash, ...alive() },
      relations: { user: true },
    });
    const now = Date.now();
    if (session !== null && session.lastUsedAt < now - TOUCH_EVERY_MS) {
      await this.sessions.update({ tokenHash }, { lastUsedAt: now });
    }
    return session;
  }
}

/** The sessions that have not expired. */
function alive(): FindOptionsWhere<Session> {
  const now = Date.now();
  return { expiresAt: MoreThan(now), lastUsedAt: MoreThan(now - IDLE_MS) };
}

/** The sessions of the same user that were not begun after this one. */
function beganUntil({ userId, createdAt }: Session): FindOptionsWhere<Session> {
  return { userId, createdAt: LessThanOrEqual(createdAt) };
}
