import { expect } from 'vitest';

import type { Answer } from './http.js';

/** A route of the bundled controller. */
export type Route = 'request-confirmation' | 'confirm' | 'resend' | 'check';

type Check = (value: unknown) => boolean;
type Shape = Readonly<Record<string, Check>>;

const isText: Check = (value) => typeof value === 'string' && value !== '';
const isCount: Check = (value) => Number.isInteger(value) && Number(value) >= 0;
const isSeconds: Check = (value) => Number.isInteger(value) && Number(value) >= 1;
const isId: Check = (value) => typeof value === 'string' && /^[0-9a-v]{36}$/.test(value);
const isTime: Check = (value) =>
  typeof value === 'string' && new Date(value).toISOString() === value;
const is =
  (...values: readonly unknown[]): Check =>
  (value) =>
    values.includes(value);

const REQUESTED: Shape = {
  id: isId,
  expiresAt: isTime,
  expiresIn: isCount,
  resendAt: isTime,
  resendIn: isCount,
  attemptsLeft: isCount,
  codeLength: isCount,
  maskedToken: isText,
};

const SUCCESSES: Readonly<Record<Route, Shape>> = {
  'request-confirmation': REQUESTED,
  confirm: { id: isId, confirmed: is(true) },
  resend: REQUESTED,
  check: {
    id: isId,
    status: is('pending', 'confirmed', 'used', 'expired', 'locked', 'cancelled'),
    attemptsLeft: isCount,
    expiresAt: isTime,
    expiresIn: isCount,
    resendAt: isTime,
    resendIn: isCount,
  },
};

const RETRY: Shape = { retryAfter: isSeconds };

/** Every refusal of the routes (docs/errors.md): its status, and what it says beside the five common members. */
export const REFUSALS: Readonly<
  Record<string, readonly [status: number, members?: Shape, optional?: Shape]>
> = {
  'invalid-request': [400, {}, { detail: isText }],
  'no-subject': [403],
  'no-recipient': [422],
  'sender-removed': [410],
  'not-found': [404],
  'already-confirmed': [409],
  'already-used': [409],
  expired: [410],
  'attempts-exhausted': [410],
  cancelled: [410],
  'unknown-secret': [410],
  'unsupported-media-type': [415],
  'code-mismatch': [422, { attemptsLeft: isCount }],
  'recipient-not-allowed': [422],
  'too-many-requests': [429, {}, RETRY],
  'invalid-configuration': [500],
  'send-failed': [503, { id: isId, resendAt: isTime, ...RETRY }],
  'temporarily-unavailable': [503, RETRY],
  'out-of-service': [503],
};

const isInstance: Check = (value) =>
  typeof value === 'string' && /^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value);

/** Headers through which an answer could let another site in, send a browser elsewhere, or be kept. */
const NEVER = ['location', 'refresh', 'set-cookie', 'access-control-allow-origin', 'link'];

/**
 * Fails unless the answer has exactly the documented members, each of its type, and headers that fit; then tells the slug
 * of the refusal, `done` for a success. An answer that is not the controller's
 * (no JSON, no route, too large) is reported as its status.
 */
export function documentedOutcome(route: Route, answer: Answer): string {
  const { status, headers, body } = answer;
  for (const name of NEVER) expect(headers).not.toHaveProperty(name);
  if (status === 200) {
    expect(headers['content-type']).toMatch(/^application\/json(; ?charset=utf-8)?$/);
    expect(headers['cache-control']).toBe('no-store');
    expectShape(body, SUCCESSES[route], {});
    return 'done';
  }
  if (headers['content-type']?.startsWith('application/problem+json') !== true) {
    expect([400, 404, 405, 413, 415]).toContain(status);
    return String(status);
  }
  const { error } = body as { error: string };
  expect(Object.keys(REFUSALS)).toContain(error);
  const [expected, members = {}, optional = {}] = REFUSALS[error]!;
  expectShape(
    body,
    {
      type: is(`urn:nestjs-two-factor:${error}`),
      title: isText,
      status: is(expected),
      error: isText,
      instance: isInstance,
      ...members,
    },
    optional,
  );
  const { retryAfter } = body as { retryAfter?: number };
  expect({
    status,
    type: headers['content-type'],
    cache: headers['cache-control'],
    retryAfter: headers['retry-after'],
  }).toStrictEqual({
    status: expected,
    type: expect.stringMatching(/^application\/problem\+json(; ?charset=utf-8)?$/) as string,
    cache: 'no-store',
    retryAfter: retryAfter === undefined ? undefined : String(retryAfter),
  });
  return error;
}

function expectShape(body: unknown, members: Shape, optional: Shape): void {
  const given = Object.entries(body as object);
  const names = given.map(([name]) => name);
  const all = { ...optional, ...members };
  // Exactly these: nothing beside them, and all that is not optional.
  expect(names.filter((name) => !(name in all))).toStrictEqual([]);
  expect(Object.keys(members).filter((name) => !names.includes(name))).toStrictEqual([]);
  expect(given.filter(([name, value]) => !all[name]!(value))).toStrictEqual([]);
}
