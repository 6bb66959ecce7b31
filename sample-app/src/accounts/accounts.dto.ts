import { ApiProperty } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import {
  IsAscii,
  IsEmail,
  IsIn,
  IsOptional,
  IsString,
  Length,
  Matches,
  MaxLength,
} from 'class-validator';

import { PHONE } from './phone.js';

const LowerCase = (): PropertyDecorator =>
  Transform(({ value }: { value: unknown }) =>
    typeof value === 'string' ? value.trim().toLowerCase() : value,
  );

class EmailBody {
  @ApiProperty({ example: 'ann@bank.example' })
  @LowerCase()
  @IsEmail()
  // MariaDB takes ä for a; a mailbox is not.
  @IsAscii()
  @MaxLength(254)
  email!: string;
}

export class SignUpBody extends EmailBody {
  @ApiProperty({ minLength: 8, maxLength: 128 })
  @IsString()
  @Length(8, 128)
  password!: string;

  @ApiProperty({ description: 'A confirmed confirmation of the e-mail address.' })
  @IsString()
  @MaxLength(64)
  confirmationId!: string;
}

export class SignInBody extends EmailBody {
  @ApiProperty()
  @IsString()
  @MaxLength(128)
  password!: string;

  @ApiProperty({ required: false, enum: ['email', 'sms'], default: 'email' })
  @IsOptional()
  @IsIn(['email', 'sms'])
  way?: 'email' | 'sms';
}

export class SessionBody extends EmailBody {
  @ApiProperty({ description: 'A confirmed confirmation of the sign-in.' })
  @IsString()
  @MaxLength(64)
  confirmationId!: string;
}

export class PhoneBody {
  @ApiProperty({ example: '+4915112345678' })
  @Matches(PHONE, { message: 'phone must look like +4915112345678' })
  phone!: string;

  @ApiProperty({ description: 'The current password: a stolen session changes no phone number.' })
  @IsString()
  @MaxLength(128)
  password!: string;
}

/** The handle of a code that was sent, as the bundled controller answers it too. */
export class CodeSentAnswer {
  @ApiProperty()
  id!: string;

  @ApiProperty()
  expiresAt!: Date;

  @ApiProperty()
  resendAt!: Date;

  @ApiProperty()
  attemptsLeft!: number;

  @ApiProperty()
  codeLength!: number;

  @ApiProperty({ example: 'a***@b***.example' })
  maskedToken!: string;
}

export class AccountAnswer {
  @ApiProperty()
  email!: string;

  @ApiProperty({ type: String, nullable: true })
  phone!: string | null;

  @ApiProperty({ description: 'In EUR.', example: '1000.00' })
  balance!: string;
}
