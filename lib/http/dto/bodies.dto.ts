import { IsObject, IsOptional, IsString, MaxLength, MinLength } from 'class-validator';

import { ApiMember, ApiModel } from '../open-api.js';
import { ID_EXAMPLE } from './examples.js';

/** The body of `POST request-confirmation`. */
@ApiModel()
export class RequestConfirmationBody {
  @ApiMember({
    type: String,
    required: false,
    description: 'Where the code goes. Not for purposes whose recipient the application knows.',
    example: 'ann@example.com',
  })
  @IsOptional()
  @IsString()
  @MinLength(1)
  @MaxLength(320)
  token?: string;

  @ApiMember({
    type: String,
    required: false,
    description: 'The name of a sender.',
    example: 'email',
  })
  @IsOptional()
  @IsString()
  @MinLength(1)
  @MaxLength(64)
  way?: string;

  @ApiMember({
    type: String,
    required: false,
    description: 'What the proof is for.',
    example: 'transfer',
  })
  @IsOptional()
  @IsString()
  @MinLength(1)
  @MaxLength(64)
  purpose?: string;

  @ApiMember({
    type: String,
    required: false,
    description:
      'The method to begin with, for purposes with methods. Without it: the first that the person can use.',
    example: 'totp',
  })
  method?: unknown;

  @ApiMember({
    type: 'object',
    required: false,
    additionalProperties: true,
    description: 'What exactly is approved: the details that the purpose declares, and no other.',
    example: { amount: '10.00', payee: 'Bob' },
  })
  @IsOptional()
  @IsObject()
  details?: Record<string, unknown>;
}

/** The body of `POST check`. */
@ApiModel()
export class ConfirmationIdBody {
  @ApiMember({
    type: String,
    description: 'The id that request-confirmation answered.',
    example: ID_EXAMPLE,
  })
  @IsString()
  @MinLength(1)
  @MaxLength(64)
  id!: string;
}

/** The body of `POST resend`. */
@ApiModel()
export class ResendBody extends ConfirmationIdBody {
  @ApiMember({
    type: String,
    required: false,
    description:
      'The name of a sender, for the first code of a confirmation that was begun by another method. Later messages go by the same.',
    example: 'sms',
  })
  @IsOptional()
  @IsString()
  @MinLength(1)
  @MaxLength(64)
  way?: string;
}

/** The body of `POST confirm`. */
@ApiModel()
export class ConfirmBody extends ConfirmationIdBody {
  @ApiMember({
    type: String,
    required: false,
    description:
      'The code as it was typed, or a recovery code; spaces and "-" do not count. For methods with a code.',
    example: '042 317',
  })
  @IsOptional()
  @IsString()
  @MinLength(1)
  @MaxLength(128)
  code?: string;

  @ApiMember({
    type: String,
    required: false,
    description:
      'The method that the response is for: code, totp, passkey, recovery or device. Without it: code.',
    example: 'totp',
  })
  method?: unknown;

  @ApiMember({
    type: 'object',
    required: false,
    additionalProperties: true,
    description: 'What toJSON() of the credential answered. For passkey.',
  })
  @IsOptional()
  @IsObject()
  response?: Record<string, unknown>;
}

/** The body of `POST challenge`. */
@ApiModel()
export class ChallengeBody extends ConfirmationIdBody {
  @ApiMember({
    type: String,
    description: 'The method that will respond.',
    example: 'passkey',
  })
  @IsString()
  @MinLength(1)
  @MaxLength(64)
  method!: string;
}
