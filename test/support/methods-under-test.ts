// Every method behind one interface, for the contract that all of them keep.
import type { MethodResponse } from '../../lib/index.js';
import { enrolApp } from './authenticator.js';
import { rememberDevice } from './devices.js';
import { enrolPasskey } from './passkeys.js';
import type { TestApp } from './test-app.js';

/** What a person of one method holds, and how the person responds. */
export interface MethodHolder {
  readonly subject: string;
  /** The factor that responds; for recovery codes the entry of all of them. */
  readonly factorId: string;
  /** A right response to a confirmation. */
  readonly respond: (id: string) => Promise<MethodResponse>;
  /** A response of the right shape that is wrong. */
  readonly mistake: (id: string) => Promise<MethodResponse>;
}

/** One method, and what the contract must know of it. */
export interface MethodUnderTest {
  readonly name: MethodResponse['method'];
  readonly isGuessable: boolean;
  /** Whether one response confirms several confirmations, as the token of a device does. */
  readonly isReusable: boolean;
  /** Statements of a confirmation, without those that begin and commit. Only PostgreSQL settles in one. */
  readonly statements: Readonly<Record<'mysql' | 'postgres' | 'sqlite', number>>;
  /** A response that cannot be one. */
  readonly malformed: MethodResponse;
  enrol(test: TestApp, subject: string): Promise<MethodHolder>;
}

const WRONG_RECOVERY_CODE = 'K7QF2-M9DXW-4TH8R-BN3CV-6YJ0P';

const totpMethod: MethodUnderTest = {
  name: 'totp',
  isGuessable: true,
  isReusable: false,
  // The row, the failure, the attempt, the factors, the settlement, and the end of the failures.
  statements: { postgres: 6, mysql: 10, sqlite: 8 },
  malformed: { method: 'totp', code: 'no digits' },
  async enrol(test, subject) {
    const { factorId, app } = await enrolApp(test, subject);
    return {
      subject,
      factorId,
      respond: () => Promise.resolve({ method: 'totp', code: app.code() }),
      mistake: () => Promise.resolve({ method: 'totp', code: app.wrongCode() }),
    };
  },
};

const recoveryMethod: MethodUnderTest = {
  name: 'recovery',
  isGuessable: false,
  isReusable: false,
  // The row, the factors, the settlement.
  statements: { postgres: 3, mysql: 5, sqlite: 5 },
  malformed: { method: 'recovery', code: 'too short' },
  async enrol(test, subject) {
    const { recoveryCodes } = await enrolApp(test, subject);
    const left = [...recoveryCodes];
    return {
      subject,
      factorId: 'recovery',
      respond: () => Promise.resolve({ method: 'recovery', code: left.pop()! }),
      mistake: () => Promise.resolve({ method: 'recovery', code: WRONG_RECOVERY_CODE }),
    };
  },
};

const passkeyMethod: MethodUnderTest = {
  name: 'passkey',
  isGuessable: false,
  isReusable: false,
  statements: { postgres: 3, mysql: 5, sqlite: 5 },
  malformed: { method: 'passkey', response: { id: 'x' } as never },
  async enrol(test, subject) {
    const { factorId, authenticator } = await enrolPasskey(test, subject);
    const challenge = (id: string): ReturnType<typeof test.confirmer.challenge> =>
      test.confirmer.challenge(id, { method: 'passkey' });
    return {
      subject,
      factorId,
      async respond(id) {
        return { method: 'passkey', response: authenticator.get(await challenge(id)) };
      },
      async mistake(id) {
        const response = authenticator.get(await challenge(id), 'wrong-signature');
        return { method: 'passkey', response };
      },
    };
  },
};

const deviceMethod: MethodUnderTest = {
  name: 'device',
  isGuessable: false,
  isReusable: true,
  statements: { postgres: 3, mysql: 5, sqlite: 5 },
  malformed: { method: 'device', token: 'no token' },
  async enrol(test, subject) {
    const { token } = await rememberDevice(test, subject);
    const [id] = token.split('.') as [string];
    const wrong = `${id}.${'A'.repeat(43)}`;
    return {
      subject,
      factorId: id,
      respond: () => Promise.resolve({ method: 'device', token }),
      mistake: () => Promise.resolve({ method: 'device', token: wrong }),
    };
  },
};

export const METHODS_UNDER_TEST: readonly MethodUnderTest[] = [
  totpMethod,
  recoveryMethod,
  passkeyMethod,
  deviceMethod,
];
