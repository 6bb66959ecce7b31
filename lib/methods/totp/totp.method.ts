import { drawBytes, normaliseCode } from '../../crypto/index.js';
import { TwoFactorInputError } from '../../errors/index.js';
import {
  FactorMethod,
  type ActivationEvidence,
  type BegunEnrolment,
  type EnrolmentInput,
  type FactorContext,
  type FactorEnrolment,
  type FactorEvidence,
  type FactorRow,
  type VerificationContext,
} from '../factors/index.js';
import { base32 } from './base32.js';
import { matchingStep, type TotpParameters } from './totp-code.js';
import { parseImported, totpData, totpOf } from './totp-secret.js';

/** The length of a new secret: 160 bits, as RFC 4226 4, R6 recommends. */
const SECRET_BYTES = 20;
const CODE = /^\d{6,8}$/;

/** Authenticator apps (RFC 6238): SHA-1, 6 digits, 30 seconds, which every app supports. */
export class TotpMethod extends FactorMethod<string, string> {
  readonly name = 'totp';
  readonly isStrong = true;
  readonly isGuessable = true;
  override readonly enrolment: FactorEnrolment<string>;

  constructor(issuer: string, max: number) {
    super();
    this.enrolment = new TotpEnrolment(this, issuer, max);
  }

  parse(response: unknown): string {
    const code = normaliseCode(response);
    if (code !== null && CODE.test(code)) return code;
    const detail = 'The code of an app is a string of 6 to 8 digits.';
    throw new TwoFactorInputError(detail, { detail });
  }

  verify(
    code: string,
    context: FactorContext & Pick<VerificationContext, 'factors'>,
  ): FactorEvidence | null {
    for (const factor of context.factors) {
      // The counter of a pending enrolment is no time step.
      const after = factor.activatedAt === null ? 0 : factor.counter;
      const step = matchingStep(code, totpOf(factor.data!), context.now, after);
      if (step !== null) return { factor, write: 'spend', counter: step };
    }
    return null;
  }

  guessOf(code: string): string {
    return code;
  }
}

class TotpEnrolment implements FactorEnrolment<string> {
  constructor(
    private readonly method: TotpMethod,
    private readonly issuer: string,
    readonly max: number,
  ) {}

  parse(response: unknown): string {
    return this.method.parse(response);
  }

  activate(code: string, pending: FactorRow, context: FactorContext): ActivationEvidence | null {
    const evidence = this.method.verify(code, { ...context, factors: [pending] });
    return evidence && { data: pending.data, handle: null, counter: evidence.counter };
  }

  import(input: Readonly<Record<string, unknown>>): string {
    return totpData(parseImported(input));
  }

  begin({ account }: EnrolmentInput): BegunEnrolment {
    const parameters: TotpParameters = {
      secret: drawBytes(SECRET_BYTES),
      digits: 6,
      period: 30,
      algorithm: 'SHA1',
    };
    const secret = base32(parameters.secret);
    const uri = this.#uri(secret, account, parameters);
    return { data: totpData(parameters), reveal: () => ({ uri, secret }) };
  }

  /** The key URI format of Google Authenticator, which all apps read. */
  #uri(secret: string, account: string, { digits, period, algorithm }: TotpParameters): string {
    const issuer = encodeURIComponent(this.issuer);
    const label = `${issuer}:${encodeURIComponent(account)}`;
    return `otpauth://totp/${label}?secret=${secret}&issuer=${issuer}&algorithm=${algorithm}&digits=${digits}&period=${period}`;
  }
}
