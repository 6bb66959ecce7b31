import { createHash } from 'node:crypto';

import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { LessThan, MoreThan, Repository } from 'typeorm';

import type { HttpRequest } from '../http/http.js';
import { Refusal } from '../http/problem.js';
import { CountedCode } from './counted-code.entity.js';
import { Session } from './session.entity.js';
import { signInRequired } from './session.service.js';

/** Half of the messages that nestjs-two-factor sends to a customer's mailbox or phone in a day. */
const CODES = 10;

/**
 * Counts the codes that a session asks for. All codes to a mailbox or a phone share one number of messages a day, those of sign-ins too:
 * without this count a thief with a stolen cookie could use them up, and the owner could not sign in to end the thief's session.
 */
@Injectable()
export class CodeCountService {
  constructor(
    @InjectRepository(Session) private readonly sessions: Repository<Session>,
    @InjectRepository(CountedCode) private readonly counted: Repository<CountedCode>,
  ) {}

  /**
   * Counts before the code is sent.
   *
   * @throws Refusal 429 when the session has asked for as many as it may, and 401 when it was ended meanwhile.
   */
  async count({ id }: Session): Promise<void> {
    // Checks and counts in one statement: of parallel requests no more get through.
    const { affected } = await this.sessions.increment({ id, codes: LessThan(CODES) }, 'codes', 1);
    if (affected === 1) return;
    if (!(await this.sessions.existsBy({ id }))) throw signInRequired();
    const title = `Since you signed in, ${CODES} codes were asked for. Sign in again for more.`;
    throw new Refusal(429, 'too-many-codes', title);
  }

  /** Takes back a code that was not sent. */
  async uncount({ id }: Session): Promise<void> {
    await this.sessions.decrement({ id, codes: MoreThan(0) }, 'codes', 1);
  }

  /** Whether the code of this very request is counted. A page repeats it after a reload, and nestjs-two-factor sends nothing then. */
  async isCounted(session: Session, request: HttpRequest): Promise<boolean> {
    return hasKey(request) && (await this.counted.existsBy({ request: nameOf(session, request) }));
  }

  /** Remembers a request whose code was sent. @returns whether another call had remembered it, so that this one sent nothing. */
  async remember(session: Session, request: HttpRequest): Promise<boolean> {
    if (!hasKey(request)) return false;
    const counted = { request: nameOf(session, request), expiresAt: session.expiresAt };
    try {
      await this.counted.insert(counted);
      return false;
    } catch (error) {
      if (await this.counted.existsBy({ request: counted.request })) return true;
      throw error;
    }
  }
}

/** Without a key each request sends a code. */
const hasKey = ({ headers }: HttpRequest): boolean => headers['idempotency-key'] !== undefined;

/** With the body: one key stands for another confirmation for each purpose, and each of them sends a code. */
function nameOf({ id }: Session, { path, headers, body }: HttpRequest): string {
  const parts = JSON.stringify([id, path, headers['idempotency-key'], body]);
  return createHash('sha256').update(parts).digest('hex');
}
