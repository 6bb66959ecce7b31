import type { ExecutionContext, Type } from '@nestjs/common';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { TwoFactorInputError } from 'nestjs-two-factor';

import { PhoneDetails } from '../accounts/phone.js';
import type { HttpRequest } from '../http/http.js';
import { TransferDetails } from '../transfers/transfers.dto.js';

/** Details in the form that nestjs-two-factor compares. */
type Details = Readonly<Record<string, string>>;

/**
 * What exactly a proof must be about, out of the body of a guarded route. Guards run before pipes, so the body is checked
 * here by the same class as later: a body of other types is a 400 and not a failure inside.
 */
export function transferDetails(context: ExecutionContext): Details {
  return declared(TransferDetails, bodyOf(context));
}

export function phoneDetails(context: ExecutionContext): Details {
  return declared(PhoneDetails, { phone: bodyOf(context)['phone'] });
}

/** The details that a client asked to have confirmed, in the body of the bundled controller, checked by a class. */
export function requestedDetails<T extends object>(type: Type<T>, context: ExecutionContext): T {
  return declared(type, bodyOf(context)['details']) as T;
}

/** @throws TwoFactorInputError (over HTTP: 400) unless `value` has exactly the members that the class declares. */
function declared(type: Type<object>, value: unknown): Details {
  const names = isRecord(value) ? faultsOf(type, value) : ['details'];
  if (names.length > 0)
    throw new TwoFactorInputError(`These cannot be accepted: ${names.join(', ')}.`);
  return value as Details;
}

function faultsOf(type: Type<object>, value: object): string[] {
  const instance = plainToInstance(type, value);
  return validateSync(instance, {
    whitelist: true,
    forbidNonWhitelisted: true,
    validationError: { target: false, value: false },
  }).map(({ constraints = {}, property }) =>
    'whitelistValidation' in constraints ? 'others' : property,
  );
}

function bodyOf(context: ExecutionContext): Readonly<Record<string, unknown>> {
  const { body } = context.switchToHttp().getRequest<HttpRequest>();
  return isRecord(body) ? body : {};
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
