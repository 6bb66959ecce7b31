import { ConfirmerService, FactorService, recoveryCodes, totp } from '../../lib/index.js';
import { bytesOfBase32 } from '../../lib/methods/totp/base32.js';
import { stepAt, totpCode } from '../../lib/methods/totp/totp-code.js';
import type { TestApp } from './test-app.js';

/** Methods as an application configures them. */
export const METHODS = [totp({ issuer: 'ACME' }), recoveryCodes({ count: 10 })];

/** An authenticator app with the secret of one enrolment. */
export class TestAuthenticator {
  constructor(
    /** Base32, as the person scanned it. */
    readonly secret: string,
    private readonly clock: { now(): number },
  ) {}

  /** The code that the app shows now, or the given number of time steps later. */
  code(later = 0): string {
    const parameters = {
      secret: bytesOfBase32(this.secret)!,
      digits: 6,
      period: 30,
      algorithm: 'SHA1',
    } as const;
    return totpCode(stepAt(this.clock.now(), parameters) + later, parameters);
  }

  /** A code that none of the accepted steps has. */
  wrongCode(): string {
    const right = new Set([this.code(-1), this.code(), this.code(1)]);
    for (let code = 0; ; code += 1) {
      const text = String(code).padStart(6, '0');
      if (!right.has(text)) return text;
    }
  }
}

/** A subject with an active app. Activation has spent the current step; the clock is moved on by one. */
export interface EnrolledSubject {
  readonly subject: string;
  readonly factorId: string;
  readonly app: TestAuthenticator;
  readonly recoveryCodes: readonly string[];
}

export function factorsOf({ app }: TestApp): FactorService {
  return app.get(FactorService, { strict: false });
}

export async function enrolApp(test: TestApp, subject: string): Promise<EnrolledSubject> {
  const factors = factorsOf(test);
  const begun = await factors.enrol({ subject, method: 'totp' });
  const app = new TestAuthenticator(begun.secret, test.clock);
  const { id } = begun.factor;
  const activated = await factors.activate({ subject, factor: id, response: app.code() });
  if (activated === null) throw new Error('The app was not activated.');
  test.clock.advance(30);
  return { subject, factorId: id, app, recoveryCodes: activated.recoveryCodes ?? [] };
}

/** Confirmers of several applications, in turns: what several instances are to a database. */
export function confirmersInTurns(apps: readonly TestApp[]): () => ConfirmerService {
  let next = 0;
  return () => {
    next += 1;
    return apps[next % apps.length]!.confirmer;
  };
}
