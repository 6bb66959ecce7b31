import { Inject, Injectable } from '@nestjs/common';

import { codeMacs, parseCode } from '../../crypto/index.js';
import { TwoFactorUnknownSecretError } from '../../errors/index.js';
import type { ResolvedOptions } from '../../options/index.js';
import { InjectTwoFactorOptions } from '../../two-factor.tokens.js';
import type { ConfirmationRow } from '../model/confirmation-record.entity.js';
import { CODE_METHOD } from '../model/methods.js';
import {
  CONFIRMATION_WRITER,
  type ConfirmationWriter,
  type Verification,
} from '../store/confirmation-writer.js';
import type {
  Attempt,
  ChargedAttempt,
  ConfirmationMethod,
  Evidence,
} from './confirmation-method.js';

const RIGHT_CODE: Evidence = Object.freeze({});

/**
 * A code that was sent. `charge` counts the attempt, compares the code and confirms in one statement, so that `verify` and
 * `settle` only read its result. The `StepwiseWriter` charges the failure by a statement before it.
 */
@Injectable()
export class CodeMethod implements ConfirmationMethod<string> {
  readonly name = CODE_METHOD;
  readonly confirmedBy = CODE_METHOD;
  readonly responseMember = 'code';

  constructor(
    @Inject(CONFIRMATION_WRITER) private readonly writer: ConfirmationWriter,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {}

  parse(code: unknown): string {
    return parseCode(code);
  }

  charge(code: string, { id, scopedSubject, seen, deadline }: Attempt): Promise<Verification> {
    const macs = codeMacs(this.options.keyRing, id, code);
    return this.writer.verify({ id, macs, scopedSubject, seen, deadline });
  }

  /** @throws TwoFactorUnknownSecretError for a confirmation under a removed secret, whose code cannot be compared. */
  verify(_: string, { row, isConfirmed }: ChargedAttempt): Evidence | null {
    if (isConfirmed) return RIGHT_CODE;
    if (row.codeMac === null || this.options.keyRing.keyOf(row.codeMac)) return null;
    throw new TwoFactorUnknownSecretError(
      'The confirmation was made under a secret that is not in the ring: request a new one, and if it is no removed secret, ' +
        'give all instances the same secrets (at the level debug each logs the names of its keys at boot).',
    );
  }

  settle(_: Evidence, { row }: ChargedAttempt): ConfirmationRow {
    return row;
  }

  guessOf(code: string): string {
    return code;
  }
}
