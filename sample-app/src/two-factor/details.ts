import type { ExecutionContext } from '@nestjs/common';
import { IsString, MaxLength } from 'class-validator';

import type { HttpRequest } from '../sessions/http.js';

/** What a client may have approved of a transfer: it stands in the message. */
export class TransferDetails {
  @IsString()
  @MaxLength(20)
  amount!: string;

  @IsString()
  @MaxLength(70)
  payee!: string;
}

/** The number that a client wants to have. */
export class PhoneDetails {
  @IsString()
  @MaxLength(20)
  phone!: string;
}

/**
 * What exactly a proof must be about, out of the body of a guarded route. Guards run before the body is validated: here
 * it is only turned into text, and whatever is no text there is refused by the DTO after that.
 */
export function transferDetails(context: ExecutionContext): { amount: string; payee: string } {
  const { amount, payee } = bodyOf(context);
  return { amount: `${String(amount)} EUR`, payee: String(payee) };
}

export function phoneDetails(context: ExecutionContext): { phone: string } {
  return { phone: String(bodyOf(context)['phone']) };
}

/** The details that a client asked to have confirmed, in the body of the bundled controller. */
export function requestedDetails(context: ExecutionContext): Readonly<Record<string, unknown>> {
  const { details } = bodyOf(context);
  return isRecord(details) ? details : {};
}

function bodyOf(context: ExecutionContext): Readonly<Record<string, unknown>> {
  const { body } = context.switchToHttp().getRequest<HttpRequest>();
  return isRecord(body) ? body : {};
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
