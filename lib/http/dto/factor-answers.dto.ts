import { ApiMember, ApiModel } from '../open-api.js';
import { ID_EXAMPLE, TIME_SCHEMA } from './examples.js';

const RECOVERY_CODES_SCHEMA = {
  type: String,
  isArray: true,
  description: 'The recovery codes, which are shown once.',
  example: ['K7QF2-M9DXW-4TH8R-BN3CV-6YJ0P'],
} as const;

/** A factor in the answers of the routes `factors/...`, without its secret. */
@ApiModel()
export class FactorAnswer {
  @ApiMember({
    type: String,
    description: 'What rename and remove take; recovery for all recovery codes.',
    example: ID_EXAMPLE,
  })
  id!: string;

  @ApiMember({ type: String, description: 'Its method.', example: 'totp' })
  method!: string;

  @ApiMember({
    type: String,
    description: 'The name that the person gave it; empty for none.',
    example: 'My phone',
  })
  label!: string;

  @ApiMember({ ...TIME_SCHEMA, description: 'When it was enrolled.' })
  createdAt!: Date;

  @ApiMember({
    ...TIME_SCHEMA,
    nullable: true,
    description: 'When it confirmed last; null for never.',
  })
  lastUsedAt!: Date | null;

  @ApiMember({
    ...TIME_SCHEMA,
    required: false,
    description: 'Of a remembered device: until when it is remembered.',
  })
  expiresAt?: Date;

  @ApiMember({
    type: Boolean,
    required: false,
    description: 'Of a passkey: whether a provider may copy it to other devices of the person.',
    example: true,
  })
  isSynced?: boolean;

  @ApiMember({
    type: Number,
    required: false,
    description: 'Of recovery codes: how many are left.',
    example: 9,
  })
  left?: number;
}

/** The response of `POST factors/list`. */
@ApiModel()
export class FactorsAnswer {
  @ApiMember({ type: FactorAnswer, isArray: true, description: 'What the person has enrolled.' })
  factors!: readonly FactorAnswer[];
}

/** The response of `POST factors/enrol`: what the method shows once. */
@ApiModel()
export class EnrolFactorAnswer {
  @ApiMember({ type: FactorAnswer, description: 'The pending enrolment, for 15 minutes.' })
  factor!: FactorAnswer;

  @ApiMember({
    type: String,
    required: false,
    description: 'Of an app: otpauth://totp/..., for a QR code. It has the secret.',
  })
  uri?: string;

  @ApiMember({
    type: String,
    required: false,
    description: 'Of an app: the secret in base32, for typing.',
  })
  secret?: string;

  @ApiMember({
    type: 'object',
    required: false,
    additionalProperties: true,
    description: 'Of a passkey: what navigator.credentials.create takes.',
  })
  options?: object;
}

/** The response of `POST factors/activate`. */
@ApiModel()
export class ActivateFactorAnswer {
  @ApiMember({ type: FactorAnswer, description: 'The factor, which can confirm from now on.' })
  factor!: FactorAnswer;

  @ApiMember({
    ...RECOVERY_CODES_SCHEMA,
    required: false,
    description: `With the first one: ${RECOVERY_CODES_SCHEMA.description}`,
  })
  recoveryCodes?: readonly string[];
}

/** The response of `POST factors/rename`. */
@ApiModel()
export class RenameFactorAnswer {
  @ApiMember({ type: String, description: 'The factor.', example: ID_EXAMPLE })
  factor!: string;

  @ApiMember({ type: String, description: 'Its new name.', example: 'My phone' })
  label!: string;
}

/** The response of `POST factors/remove`. */
@ApiModel()
export class RemoveFactorAnswer {
  @ApiMember({ type: String, description: 'What was removed.', example: ID_EXAMPLE })
  factor!: string;

  @ApiMember({
    type: Boolean,
    description: 'Always true: everything else is a refusal.',
    example: true,
  })
  removed!: true;
}

/** The response of `POST factors/recovery-codes`. */
@ApiModel()
export class RecoveryCodesAnswer {
  @ApiMember(RECOVERY_CODES_SCHEMA)
  recoveryCodes!: readonly string[];
}
