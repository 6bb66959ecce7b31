import type { PasskeyDescriptor, PasskeyRequestOptions } from '../../confirmation/index.js';
import { ApiMember, ApiModel } from '../open-api.js';
import type { Problem } from '../problem.js';
import { ID_EXAMPLE, TIME_SCHEMA } from './examples.js';

const STATUSES = ['pending', 'confirmed', 'used', 'expired', 'locked', 'cancelled'] as const;

/** The response of `POST request-confirmation` and `POST resend`. */
@ApiModel()
export class RequestConfirmationAnswer {
  @ApiMember({
    type: String,
    description: 'Handle of the confirmation. Keep it secret.',
    example: ID_EXAMPLE,
  })
  id!: string;

  @ApiMember({ ...TIME_SCHEMA, description: 'Until when the code can be confirmed.' })
  expiresAt!: string;

  @ApiMember({
    type: Number,
    description: 'Whole seconds from this answer to expiresAt, rounded down; 0 after it.',
    example: 599,
  })
  expiresIn!: number;

  @ApiMember({
    ...TIME_SCHEMA,
    required: false,
    description: 'From when on resend is accepted; with a message.',
  })
  resendAt?: string;

  @ApiMember({
    type: Number,
    required: false,
    description: 'Whole seconds from this answer to resendAt, rounded up; with a message.',
    example: 30,
  })
  resendIn?: number;

  @ApiMember({ type: Number, description: 'Responses that may be tried.', example: 5 })
  attemptsLeft!: number;

  @ApiMember({
    type: Number,
    required: false,
    description: 'Characters of the code; with a message.',
    example: 6,
  })
  codeLength?: number;

  @ApiMember({
    type: String,
    required: false,
    description: 'With a message: where the code went, for its owner to recognise.',
    example: 'a***@e***.com',
  })
  maskedToken?: string;

  @ApiMember({
    type: String,
    required: false,
    description: 'The method to begin with; only for purposes with methods.',
    example: 'totp',
  })
  method?: string;

  @ApiMember({
    type: String,
    isArray: true,
    required: false,
    description: 'The methods that this person can use now; only for purposes with methods.',
    example: ['totp', 'recovery'],
  })
  methods?: string[];

  @ApiMember({
    type: String,
    enum: ['queued'],
    required: false,
    description: 'With a message that leaves after this response: ask check what became of it.',
    example: 'queued',
  })
  delivery?: 'queued';

  @ApiMember({
    type: String,
    required: false,
    description: 'The code; only with debugCodeResponse, in development.',
  })
  code?: string;
}

/** The response of `POST confirm`. */
@ApiModel()
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
@ApiModel()
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

  @ApiMember({ ...TIME_SCHEMA, description: 'Until when the code can be confirmed.' })
  expiresAt!: string;

  @ApiMember({
    type: Number,
    description: 'Whole seconds from this answer to expiresAt, rounded down; 0 after it.',
    example: 599,
  })
  expiresIn!: number;

  @ApiMember({
    ...TIME_SCHEMA,
    description: 'From when on resend is accepted, where a code can be sent.',
  })
  resendAt!: string;

  @ApiMember({
    type: Number,
    description: 'Whole seconds from this answer to resendAt, rounded up; 0 after it.',
    example: 30,
  })
  resendIn!: number;

  @ApiMember({
    type: String,
    required: false,
    nullable: true,
    description: 'What confirmed it, null before that; only where methods are configured.',
    example: 'totp',
  })
  confirmedBy?: string | null;

  @ApiMember({
    type: String,
    enum: ['queued', 'sent', 'failed'],
    required: false,
    description: 'Where the newest message is; of a pending one, only where messages are queued.',
    example: 'sent',
  })
  delivery?: 'queued' | 'sent' | 'failed';

  @ApiMember({
    type: String,
    enum: ['recipient-not-allowed', 'send-failed', 'too-many-requests'],
    required: false,
    description: 'Why it failed; only with delivery failed.',
    example: 'send-failed',
  })
  deliveryError?: 'recipient-not-allowed' | 'send-failed' | 'too-many-requests';
}

/** The answer of `POST challenge`, for `PublicKeyCredential.parseRequestOptionsFromJSON` in the browser. */
@ApiModel()
export class ChallengeAnswer implements PasskeyRequestOptions {
  @ApiMember({ type: String, description: 'The domain that the passkeys belong to.' })
  rpId!: string;

  @ApiMember({ type: String, description: 'What is signed, in base64url.' })
  challenge!: string;

  @ApiMember({
    type: Number,
    description: 'Milliseconds that the browser may wait for the person.',
  })
  timeout!: number;

  @ApiMember({
    type: 'object',
    isArray: true,
    additionalProperties: true,
    description: 'The passkeys of the person, by their ids.',
  })
  allowCredentials!: PasskeyDescriptor[];

  @ApiMember({ type: String, enum: ['required'], description: 'PIN or biometrics are asked for.' })
  userVerification!: 'required';
}

/** An error response of `TwoFactorExceptionFilter`. */
@ApiModel()
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

  @ApiMember({
    type: String,
    isArray: true,
    required: false,
    description: 'With too-many-requests of a locked subject: the methods that can still be named.',
    example: ['recovery'],
  })
  methods?: readonly string[];

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
