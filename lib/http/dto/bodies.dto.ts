import { IsObject, IsOptional, IsString, MaxLength, MinLength } from 'class-validator';

import { ApiMember } from '../open-api.js';

/** The body of `POST request-confirmation`. */
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

/** The body of `POST resend` and `POST check`. */
export class ConfirmationIdBody {
  @ApiMember({
    type: String,
    description: 'The id that request-confirmation answered.',
    example: '06jk5q3v2o8s1g7h4n9t0c6m2e8p5r1vdq3g',
  })
  @IsString()
  @MinLength(1)
  @MaxLength(64)
  id!: string;
}

/** The body of `POST confirm`. */
export class ConfirmBody extends ConfirmationIdBody {
  @ApiMember({
    type: String,
    description: 'The code as it was typed; spaces and "-" do not count.',
    example: '042 317',
  })
  @IsString()
  @MinLength(1)
  @MaxLength(128)
  code!: string;
}
