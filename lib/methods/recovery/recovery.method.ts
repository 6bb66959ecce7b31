import {
  FactorMethod,
  type DrawnCode,
  type FactorContext,
  type FactorEvidence,
  type VerificationContext,
} from '../factors/index.js';
import { drawRecoveryCode, parseRecoveryCode, recoveryHandle } from './recovery-code.js';

/** Codes for a person who has lost the authenticator. Each is a factor that confirms once. */
export class RecoveryMethod extends FactorMethod<string> {
  readonly name = 'recovery';
  readonly isStrong = false;
  readonly isGuessable = false;

  constructor(private readonly count: number) {
    super();
  }

  override draw({ application, subject }: FactorContext): readonly DrawnCode[] {
    return Array.from({ length: this.count }, () => {
      const code = drawRecoveryCode();
      return { code, handle: recoveryHandle(application, subject, parseRecoveryCode(code)) };
    });
  }

  parse(response: unknown): string {
    return parseRecoveryCode(response);
  }

  verify(
    symbols: string,
    { factors, application, subject }: VerificationContext,
  ): FactorEvidence | null {
    const handle = recoveryHandle(application, subject, symbols);
    const factor = factors.find((each) => each.handle === handle);
    return factor === undefined ? null : { factor, write: 'consume', counter: 0 };
  }

  guessOf(): null {
    return null;
  }
}
