import { drawBytes, plainHash } from '../../crypto/index.js';
import { TwoFactorInputError } from '../../errors/index.js';

const SECRET_BYTES = 32;
/** The form of a device token: the id of the factor, and 256 random bits in base64url. */
const TOKEN = /^[0-9a-v]{36}\.[\w-]{43}$/;

/** The parts of the token of a remembered device. */
export interface DeviceToken {
  readonly id: string;
  readonly secret: string;
}

export function drawDeviceToken(id: string): DeviceToken {
  return { id, secret: drawBytes(SECRET_BYTES).toString('base64url') };
}

export function isDeviceToken(text: unknown): text is string {
  return typeof text === 'string' && TOKEN.test(text);
}

/** @throws TwoFactorInputError for a text that `remember` never returns. */
export function parseDeviceToken(text: unknown): DeviceToken {
  if (!isDeviceToken(text)) {
    const detail = 'The token of a remembered device is malformed. Confirm by another method.';
    throw new TwoFactorInputError(`${detail} It is what FactorService.remember returned.`, {
      detail,
    });
  }
  const [id, secret] = text.split('.') as [string, string];
  return { id, secret };
}

/** The hash of a device token that is stored. It includes the subject, so that the token finds no row of another subject. */
export function deviceHandle(
  application: string,
  subject: string,
  { id, secret }: DeviceToken,
): string {
  return plainHash('device', application, subject, id, secret);
}
