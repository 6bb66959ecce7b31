// What an application writes with passkeys, and what it must not be able to write.
import type {
  AuthenticationResponseJSON,
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
  RegistrationResponseJSON,
} from '@simplewebauthn/server';
import type {
  PasskeyCreationOptions,
  PasskeyOptions,
  PasskeyRequestOptions,
} from 'nestjs-two-factor/passkeys';
import type { BegunFactor, BegunPasskey, ConfirmerService, FactorService } from 'nestjs-two-factor';
import { SoftwareAuthenticator } from 'nestjs-two-factor/testing';

export const minimal: PasskeyOptions = {
  rpName: 'ACME',
  rpId: 'acme.example',
  origins: ['https://acme.example'],
};
export const full: PasskeyOptions = {
  ...minimal,
  relatedOrigins: ['https://acme.test'] as const,
  synced: false,
};
// @ts-expect-error: the origins are missing
export const withoutOrigins: PasskeyOptions = { rpName: 'ACME', rpId: 'acme.example' };
// @ts-expect-error: a misspelt option
export const misspelt: PasskeyOptions = { ...minimal, orgins: [] };

/** The options are those of the browser's own and of other libraries' functions. */
export const creation = (options: PasskeyCreationOptions): PublicKeyCredentialCreationOptionsJSON =>
  options;
export const request = (options: PasskeyRequestOptions): PublicKeyCredentialRequestOptionsJSON =>
  options;

/** What browsers and other libraries answer is what the calls take. */
export const answered = async (
  confirmer: ConfirmerService,
  factors: FactorService,
  assertion: AuthenticationResponseJSON,
  registration: RegistrationResponseJSON,
): Promise<void> => {
  await confirmer.confirm('id', { method: 'passkey', response: assertion });
  await factors.activate({ subject: 'ann', factor: 'id', response: registration });
  // @ts-expect-error: a passkey answers no code
  await confirmer.confirm('id', { method: 'passkey', code: '123456' });
  // @ts-expect-error: an app has no challenge
  await confirmer.challenge('id', { method: 'totp' });
};

/** What is shown once depends on the method. */
export const begun = async (factors: FactorService): Promise<[BegunFactor, BegunPasskey]> => [
  await factors.enrol({ subject: 'ann', method: 'totp' }),
  await factors.enrol({ subject: 'ann', method: 'passkey', account: 'ann@acme.example' }),
];

const authenticator = new SoftwareAuthenticator({ origin: 'https://acme.example' });
export const faults = (
  options: PasskeyRequestOptions,
  creation: PasskeyCreationOptions,
): unknown[] => [
  authenticator.get(options, 'counter-backwards'),
  // @ts-expect-error: a registration has no counter that could go backwards
  authenticator.create(creation, 'counter-backwards'),
  // @ts-expect-error: no such fault
  authenticator.get(options, 'wrong'),
];
