import { createHash, randomBytes } from 'node:crypto';

import type { HttpRequest, HttpResponse } from '../http/http.js';

const TOKEN = /^[\w-]{43}$/;

/** A secret that a browser keeps. The database has its hash only. */
export interface Token {
  readonly token: string;
  readonly hash: string;
}

/** 256 random bits. */
export function drawToken(): Token {
  const token = randomBytes(32).toString('base64url');
  return { token, hash: hashOf(token) };
}

/**
 * A cookie of ours. Scripts cannot read it, other sites cannot make a browser send it, and in production it travels over HTTPS
 * only. The prefix `__Host-` keeps a neighbouring subdomain from setting one of its own.
 */
export class OwnCookie {
  readonly #name: string;
  readonly #attributes: string;

  constructor(
    name: string,
    private readonly maxAgeSeconds: number,
    isDevelopment: boolean,
  ) {
    this.#name = isDevelopment ? name : `__Host-${name}`;
    this.#attributes = `Path=/; HttpOnly; SameSite=Strict${isDevelopment ? '' : '; Secure'}`;
  }

  /** What a request brings. */
  valueFrom({ headers }: HttpRequest): string | undefined {
    const start = `${this.#name}=`;
    const values = (headers['cookie'] ?? '')
      .split(';')
      .map((part) => part.trim())
      .filter((part) => part.startsWith(start))
      .map((part) => part.slice(start.length));
    // A browser sends one. Of two, one was planted.
    return values.length === 1 ? values[0] : undefined;
  }

  set(response: HttpResponse, value: string): void {
    this.#write(response, value, this.maxAgeSeconds);
  }

  clear(response: HttpResponse): void {
    this.#write(response, '', 0);
  }

  #write(response: HttpResponse, value: string, maxAge: number): void {
    response.append('Set-Cookie', `${this.#name}=${value}; Max-Age=${maxAge}; ${this.#attributes}`);
  }
}

/** A cookie with a random token, of which the server keeps the hash. */
export class TokenCookie extends OwnCookie {
  /** The hash of the token that a request brings. */
  hashFrom(request: HttpRequest): string | undefined {
    const token = this.valueFrom(request);
    return token !== undefined && TOKEN.test(token) ? hashOf(token) : undefined;
  }
}

/** A random token needs no slow hash: there is nothing to guess. */
function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
