import { ApiMember } from '../open-api.js';

const TIME = { type: String, format: 'date-time', example: '2026-11-22T12:00:00.000Z' } as const;
const STATUSES = ['pending', 'confirmed', 'used', 'expired', 'locked', 'cancelled'] as const;

/** Answer of `POST request-confirmation` and `POST resend`. */
export class RequestConfirmationAnswer {
  @ApiMember({
    type: String,
    description: 'Handle of the confirmation: keep it, and show it to nobody else.',
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

/** Answer of `POST confirm`. */
export class ConfirmAnswer {
  @ApiMember({ type: String, description: 'The confirmation, ready to be used.' })
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

/** Answer of `POST check`. */
export class CheckAnswer {
  @ApiMember({ type: String, description: 'The confirmation.' })
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
