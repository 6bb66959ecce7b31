import {
  Injectable,
  ValidationPipe,
  type ArgumentMetadata,
  type ValidationError,
} from '@nestjs/common';

import { Refusal } from './problem.js';

/**
 * Every body is checked by its DTO class before a handler sees it: members of another type or length and members that the
 * class does not declare are answered with 400.
 */
@Injectable()
export class BodyPipe extends ValidationPipe {
  constructor() {
    super({
      whitelist: true,
      forbidNonWhitelisted: true,
      transform: true,
      exceptionFactory: (errors: ValidationError[]) => malformed(errors),
    });
  }

  override transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    // class-validator accepts an array of anything where one object is declared.
    if (metadata.type === 'body' && Array.isArray(value)) throw malformed([]);
    return super.transform(value, metadata) as Promise<unknown>;
  }
}

/** The messages name members and rules. They never repeat a value. */
function malformed(errors: readonly ValidationError[]): Refusal {
  const details = errors.flatMap(({ constraints }) => Object.values(constraints ?? {}));
  return new Refusal(400, 'invalid-request', 'The request is malformed.', { details });
}
