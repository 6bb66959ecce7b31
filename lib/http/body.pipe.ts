import type { PipeTransform, Type } from '@nestjs/common';
import { validate } from 'class-validator';

import { TwoFactorInputError } from '../errors/index.js';
import { membersOf } from './open-api.js';

/** Longer than every member may be. */
const MAX_STRING_LENGTH = 1_024;

/**
 * Validates a body by a DTO class, without conversion: the number 123456 is no code. The handler's parameter has the type
 * `unknown`, so that global pipes do not change the body first. Only documented members are copied. A member of `null` counts
 * as absent.
 */
export class BodyPipe<Body extends object> implements PipeTransform<unknown, Promise<Body>> {
  readonly #memberNames: readonly string[];

  constructor(private readonly type: Type<Body>) {
    this.#memberNames = membersOf(type);
  }

  async transform(body: unknown): Promise<Body> {
    if (typeof body !== 'object' || body === null || Array.isArray(body)) {
      throw new TwoFactorInputError('The body is not a JSON object.');
    }
    const dto = new this.type();
    const given = body as Readonly<Record<string, unknown>>;
    for (const member of this.#memberNames) {
      const value = Object.hasOwn(given, member) ? given[member] : null;
      // Checked before class-validator, whose length check takes 0.1 s for one megabyte.
      if (typeof value === 'string' && value.length > MAX_STRING_LENGTH) throw unacceptable(member);
      if (value !== null) (dto as Record<string, unknown>)[member] = value;
    }
    // Without target and value, an application that logs these errors does not log the values of the client.
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
