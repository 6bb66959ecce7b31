import { ApiMember } from '../open-api.js';
import type { Problem } from '../problem.js';

const TIME = { type: String, format: 'date-time', example: '2026-11-22T12:00:00.000Z' } as const;
const ID_EXAMPLE = '06jk5q3v2o8s1g7h4n9t0c6m2e8p5r1vdq3g';
const STATUSES = ['pending', 'confirmed', 'used', 'expired', 'locked', 'cancelled'] as const;

/** The response of `POST request-confirmation` and `POST resend`. */
export class RequestConfirmationAnswer {
  @ApiMember({
    type: String,
    description: 'Handle of the confirmation. Keep it secret.',
    example: ID_EXAMPLE,
  })
  id!: string;

  @ApiMember({ ...TIME, description: 'Until when the code can be confirmed.' })
  expiresAt!: string;

  @ApiMember({ ...TIME, description: 'From when on resend is accepted.' })
  resendAt!: string;

  @ApiMember({ type: Number, description: 'Codes that may be tried.', example: 5 })
  attemptsLeft!: number;

  @ApiMember({ type: Number, description: 'Characters of the code.', example: 6 })
  codeLength!: number;

  @ApiMember({
    type: String,
    description: 'Where the code went, for its owner to recognise.',
    example: 'a***@e***.com',
  })
  maskedToken!: string;

  @ApiMember({
    type: String,
    required: false,
    description: 'The code; only with debugCodeResponse, in development.',
  })
  code?: string;
}

/** The response of `POST confirm`. */
export class ConfirmAnswer {
  @ApiMember({
    type: String,
    description: 'The confirmation, ready to be used.',
    example: ID_EXAMPLE,
  })
  id!: string;

  @ApiMember({
    type: Boolean,
    description: 'Always true: everything else is a refusal.',
    example: true,
  })
  confirmed!: true;

  @ApiMember({
    type: String,
    required: false,
    description: 'The code; only with debugCodeResponse, in development.',
  })
  code?: string;
}

/** The response of `POST check`. */
export class CheckAnswer {
  @ApiMember({ type: String, description: 'The confirmation.', example: ID_EXAMPLE })
  id!: string;

  @ApiMember({
    type: String,
    enum: STATUSES,
    description: 'Where it is in its life.',
    example: 'pending',
  })
  status!: (typeof STATUSES)[number];

  @ApiMember({ type: Number, description: 'Codes that may still be tried.', example: 4 })
  attemptsLeft!: number;

  @ApiMember({ ...TIME, description: 'Until when the code can be confirmed.' })
  expiresAt!: string;

  @ApiMember({ ...TIME, description: 'From when on resend is accepted.' })
  resendAt!: string;
}

/** An error response of `TwoFactorExceptionFilter`. */
export class ProblemAnswer implements Problem {
  @ApiMember({ type: String, description: 'The slug as a URN.' })
  type!: string;

  @ApiMember({ type: String, description: 'A sentence for developers.' })
  title!: string;

  @ApiMember({ type: Number, description: 'As in the status line.' })
  status!: number;

  @ApiMember({ type: String, description: 'The slug to switch on.' })
  error!: string;

  @ApiMember({ type: String, description: 'Names this very occurrence.' })
  instance!: string;

  @ApiMember({
    type: String,
    required: false,
    description: 'With some invalid-request: which declared details or ways were expected.',
  })
  detail?: string;

  @ApiMember({ type: Number, required: false, description: 'With code-mismatch.' })
  attemptsLeft?: number;

  @ApiMember({ type: Number, required: false, description: 'Seconds, as in Retry-After.' })
  retryAfter?: number;

  @ApiMember({ type: String, required: false, description: 'With send-failed: what to resend.' })
  id?: string;

  @ApiMember({
    type: String,
    format: 'date-time',
    required: false,
    description: 'With send-failed: from when on.',
  })
  resendAt?: string;
}
