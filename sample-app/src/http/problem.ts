import { randomUUID } from 'node:crypto';

import { HttpException } from '@nestjs/common';

import type { HttpResponse } from './http.js';

/** The body of every refusal: RFC 9457, with the members that nestjs-two-factor gives to its own. */
export interface Problem {
  readonly type: string;
  /** A sentence for people. */
  readonly title: string;
  readonly status: number;
  /** A stable name for programs. */
  readonly error: string;
  /** Seconds, as in the header `Retry-After`. */
  readonly retryAfter?: number;
  /** What is wrong with the members of a body. It never repeats their values: there are passwords among them. */
  readonly details?: readonly string[];
}

type Extra = Pick<Problem, 'retryAfter' | 'details'>;

export function problemOf(
  status: number,
  error: string,
  title: string,
  extra: Extra = {},
): Problem {
  return { type: `urn:sample-bank:${error}`, title, status, error, ...extra };
}

/** A refusal that the application decided on. */
export class Refusal extends HttpException {
  readonly problem: Problem;

  constructor(status: number, error: string, title: string, extra: Extra = {}) {
    super(title, status);
    this.problem = problemOf(status, error, title, extra);
  }
}

/** Answers a problem, with an id that names this occurrence in the log too. */
export function sendProblem(response: HttpResponse, problem: Problem, id = randomUUID()): void {
  const { status, retryAfter } = problem;
  const express = response as HttpResponse & {
    status(code: number): { end(text: string): unknown };
  };
  response.setHeader('Content-Type', 'application/problem+json; charset=utf-8');
  response.setHeader('Cache-Control', 'no-store');
  if (retryAfter !== undefined) response.setHeader('Retry-After', String(retryAfter));
  express.status(status).end(JSON.stringify({ ...problem, instance: `urn:uuid:${id}` }));
}
