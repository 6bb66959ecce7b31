import type { PipeTransform, Type } from '@nestjs/common';
import { validate } from 'class-validator';

import { TwoFactorInputError } from '../errors/index.js';
import { membersOf } from './open-api.js';

/** More than any member may have. */
const MAX_STRING_LENGTH = 1_024;

/**
 * Validates a body by a DTO class, without converting anything: the number 123456 is no code. It takes `unknown`, which
 * global pipes leave alone, and copies the members the class documents, so that no other member goes any further. `null`
 * is how many clients say that there is none.
 */
export class BodyPipe<Body extends object> implements PipeTransform<unknown, Promise<Body>> {
  readonly #members: readonly string[];

  constructor(private readonly type: Type<Body>) {
    this.#members = membersOf(type);
  }

  async transform(body: unknown): Promise<Body> {
    if (typeof body !== 'object' || body === null || Array.isArray(body)) {
      throw new TwoFactorInputError('The body is not a JSON object.');
    }
    const dto = new this.type();
    const given = body as Readonly<Record<string, unknown>>;
    for (const member of this.#members) {
      const value = Object.hasOwn(given, member) ? given[member] : null;
      // class-validator counts characters by an expression that finds each of them: 0.1 s for one megabyte.
      if (typeof value === 'string' && value.length > MAX_STRING_LENGTH) throw unacceptable(member);
      if (value !== null) (dto as Record<string, unknown>)[member] = value;
    }
    // Without target and value the errors could not repeat what was sent, even if somebody logged them.
    const errors = await validate(dto, { validationError: { target: false, value: false } });
    if (errors.length > 0) {
      throw unacceptable(errors.map(({ property }) => property).join(', '));
    }
    return dto;
  }
}

function unacceptable(names: string): TwoFactorInputError {
  return new TwoFactorInputError(`The body's ${names} cannot be accepted.`);
}
