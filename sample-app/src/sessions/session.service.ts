import { createHash, randomBytes } from 'node:crypto';

import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { LessThan, Repository, type EntityManager } from 'typeorm';

import type { User } from '../accounts/user.entity.js';
import { settings } from '../settings.js';
import type { HttpRequest, HttpResponse } from './http.js';
import { Session } from './session.entity.js';

const COOKIE = 'session';
const HOURS = 8;
const TOKEN = /^[\w-]{43}$/;

/** Who is signed in: a random token in a cookie, its hash in a table. */
@Injectable()
export class SessionService implements OnApplicationBootstrap {
  readonly #users = new WeakMap<HttpRequest, Promise<User | null>>();

  constructor(@InjectRepository(Session) private readonly sessions: Repository<Session>) {}

  /** Nobody gets in with an expired session; this only sweeps the table. */
  async onApplicationBootstrap(): Promise<void> {
    await this.sessions.delete({ expiresAt: LessThan(Date.now()) });
  }

  /** Begins a session. @returns its token, for `setCookie`. */
  async open(user: User, manager: EntityManager): Promise<string> {
    const token = randomBytes(32).toString('base64url');
    await manager.insert(Session, {
      tokenHash: hashOf(token),
      userId: user.id,
      expiresAt: Date.now() + HOURS * 3_600_000,
    });
    return token;
  }

  async close(request: HttpRequest): Promise<void> {
    const token = tokenOf(request);
    if (token !== undefined) await this.sessions.delete({ tokenHash: hashOf(token) });
  }

  /** The signed-in user, looked up once for each request. */
  async userOf(request: HttpRequest): Promise<User | null> {
    const known = this.#users.get(request);
    if (known !== undefined) return known;
    const user = this.#find(tokenOf(request));
    this.#users.set(request, user);
    return user;
  }

  setCookie(response: HttpResponse, token: string): void {
    response.setHeader('Set-Cookie', cookie(token, HOURS * 3_600));
  }

  clearCookie(response: HttpResponse): void {
    response.setHeader('Set-Cookie', cookie('', 0));
  }

  async #find(token: string | undefined): Promise<User | null> {
    if (token === undefined) return null;
    const session = await this.sessions.findOne({
      where: { tokenHash: hashOf(token) },
      relations: { user: true },
    });
    return session !== null && session.expiresAt > Date.now() ? session.user : null;
  }
}

function tokenOf({ headers }: HttpRequest): string | undefined {
  const name = `${COOKIE}=`;
  return (headers['cookie'] ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(name))
    .map((pair) => pair.slice(name.length))
    .find((value) => TOKEN.test(value));
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

function cookie(value: string, seconds: number): string {
  const secure = settings.isDevelopment ? '' : '; Secure';
  return `${COOKIE}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Lax${secure}`;
}
