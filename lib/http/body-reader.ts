import type { Type } from '@nestjs/common';

import { TwoFactorInputError } from '../errors/index.js';
import { membersOf } from './open-api.js';
import { validationErrors } from './validation-errors.js';

/** Longer strings are refused before class-validator sees them. Each member has a lower limit of its own. */
const MAX_STRING_LENGTH = 1_024;
/** The largest body, 100 kB. The JSON parser of Express has the same default. */
const MAX_BODY_BYTES = 102_400;

/** An Express or Fastify request. Express's is a stream; its body is undefined until a parser has read it. */
type BodiedRequest = { readonly body?: unknown } & Partial<AsyncIterable<Buffer>>;

/**
 * Reads the body of a request by a DTO class, without conversion: the number 123456 is no code. Only documented members are
 * copied. A member of `null` counts as absent.
 */
export class BodyReader<Body extends object> {
  readonly #memberNames: readonly string[];

  constructor(private readonly type: Type<Body>) {
    this.#memberNames = membersOf(type);
  }

  /**
   * @throws TwoFactorInputError for a body that is no JSON object or does not fit the class. It names no given value. Members that
   * are missing are all that it names then, because what their values must be like would hide that.
   */
  async read(request: object): Promise<Body> {
    const body = await jsonOf(request);
    if (typeof body !== 'object' || body === null || Array.isArray(body)) {
      throw new TwoFactorInputError('The body is not a JSON object.');
    }
    const dto = new this.type();
    const given = body as Readonly<Record<string, unknown>>;
    for (const member of this.#memberNames) {
      const value = Object.hasOwn(given, member) ? given[member] : null;
      // Checked before class-validator, whose length check takes 0.1 s for one megabyte.
      if (typeof value === 'string' && value.length > MAX_STRING_LENGTH) {
        throw unacceptable(`${member} has more than ${MAX_STRING_LENGTH} characters`);
      }
      if (value !== null) (dto as Record<string, unknown>)[member] = value;
    }
    // class-validator refuses a class without rules.
    if (this.#memberNames.length === 0) return dto;
    const errors = await validationErrors(dto);
    const missing = errors
      .map(({ property }) => property)
      .filter((member) => (dto as Record<string, unknown>)[member] === undefined);
    if (missing.length > 0) throw lacking(missing);
    const rules = errors.flatMap(({ constraints }) => Object.values(constraints ?? {}));
    if (errors.length > 0) throw unacceptable(rules.join(', '));
    return dto;
  }
}

/** The error for a body without these members. Its detail reaches the client also in production: it names documented members. */
export function lacking(members: readonly string[]): TwoFactorInputError {
  const detail = `The body lacks ${members.toSorted().join(', ')}.`;
  return new TwoFactorInputError(detail, { detail });
}

/** The error for a request by the method `device` in which the application's function found no token. No member of the body has it. */
export function lackingDeviceToken(): TwoFactorInputError {
  // Clients read the detail also in production, and only developers know the function.
  const detail = 'The request brings no token of a remembered device. Confirm by another method.';
  return new TwoFactorInputError(
    `${detail} The token function of rememberedDevices() found none.`,
    { detail },
  );
}

function unacceptable(rules: string): TwoFactorInputError {
  return new TwoFactorInputError(`The body cannot be accepted: ${rules}.`);
}

/**
 * The parsed body. An application that is created with `bodyParser: false` may parse bodies on its other routes only, or keep
 * them as text or bytes; its bodies are parsed here.
 */
async function jsonOf(request: BodiedRequest): Promise<unknown> {
  const body = request.body ?? (await unreadBody(request));
  if (typeof body !== 'string' && !Buffer.isBuffer(body)) return body;
  try {
    return JSON.parse(typeof body === 'string' ? body : new TextDecoder().decode(body)) as unknown;
  } catch {
    // Without the cause, which quotes the body.
    throw new TwoFactorInputError('The body is not JSON.');
  }
}

async function unreadBody(request: BodiedRequest): Promise<Buffer | undefined> {
  if (request[Symbol.asyncIterator] === undefined) return undefined;
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      // The rest is read and dropped, because the connection serves no further request before it.
      if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
    }
  } catch {
    throw new TwoFactorInputError('The body ended early.');
  }
  if (bytes > MAX_BODY_BYTES) {
    throw new TwoFactorInputError(`The body has more than ${MAX_BODY_BYTES} bytes.`);
  }
  return Buffer.concat(chunks);
}
