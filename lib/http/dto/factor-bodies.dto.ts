import { IsBoolean, IsDefined, IsOptional, IsString, MaxLength, MinLength } from 'class-validator';

import { ApiMember, ApiModel } from '../open-api.js';
import { ID_EXAMPLE } from './examples.js';

/** The body of `POST factors/list` and `POST factors/recovery-codes`: an empty object. */
@ApiModel()
export class NoMembersBody {}

/** The body of `POST factors/enrol`. */
@ApiModel()
export class EnrolFactorBody {
  @ApiMember({ type: String, description: 'The method of the authenticator.', example: 'totp' })
  @IsString()
  @MinLength(1)
  @MaxLength(16)
  method!: string;

  @ApiMember({
    type: String,
    required: false,
    description: 'A name that the person gives it, in one line.',
    example: 'My phone',
  })
  @IsOptional()
  @IsString()
  @MaxLength(64)
  label?: string;

  @ApiMember({
    type: String,
    required: false,
    description: 'The account as the authenticator shows it, in one line. Without it: the subject.',
    example: 'ann@example.com',
  })
  @IsOptional()
  @IsString()
  @MinLength(1)
  @MaxLength(64)
  account?: string;
}

/** The body of `POST factors/activate`. */
@ApiModel()
export class ActivateFactorBody {
  @ApiMember({
    type: String,
    description: 'The id that factors/enrol answered.',
    example: ID_EXAMPLE,
  })
  @IsString()
  @MinLength(1)
  @MaxLength(64)
  factor!: string;

  @ApiMember({
    // Left out of the document beside oneOf, and missed by @nestjs/swagger without it.
    type: Object,
    oneOf: [{ type: 'string' }, { type: 'object', additionalProperties: true }],
    description: 'The first response: the code that the app shows, or what the browser returned.',
    example: '042317',
  })
  @IsDefined()
  response!: unknown;
}

/** The body of `POST factors/remove`. */
@ApiModel()
export class RemoveFactorBody {
  @ApiMember({
    type: String,
    description: 'The id of a factor, or recovery for all recovery codes.',
    example: ID_EXAMPLE,
  })
  @IsString()
  @MinLength(1)
  @MaxLength(64)
  factor!: string;

  @ApiMember({
    type: Boolean,
    required: false,
    description:
      'Whether the last authenticator may go, and the recovery codes with it. The details of the proof have allowLast: true then.',
    example: false,
  })
  @IsOptional()
  @IsBoolean()
  allowLast?: boolean;
}

/** The body of `POST factors/rename`. */
@ApiModel()
export class RenameFactorBody {
  @ApiMember({ type: String, description: 'The id of a factor.', example: ID_EXAMPLE })
  @IsString()
  @MinLength(1)
  @MaxLength(64)
  factor!: string;

  @ApiMember({
    type: String,
    description: 'The new name, in one line; empty for none.',
    example: 'My phone',
  })
  @IsString()
  @MaxLength(64)
  label!: string;
}
