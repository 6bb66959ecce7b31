import { validate, type ValidationError } from 'class-validator';

/**
 * What class-validator finds wrong with an object. An application that logs these errors logs no values of the client, because they
 * contain neither the object nor a value of it.
 */
export function validationErrors(dto: object): Promise<ValidationError[]> {
  return validate(dto, { validationError: { target: false, value: false } });
}
