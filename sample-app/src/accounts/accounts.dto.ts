import { ApiProperty } from '@nestjs/swagger';
import { IsString, Length, MaxLength } from 'class-validator';

import { EmailBody } from './email.dto.js';
import { PhoneDetails } from './phone.js';

export class SignUpBody extends EmailBody {
  @ApiProperty({ minLength: 8, maxLength: 128 })
  @IsString()
  @Length(8, 128)
  password!: string;

  @ApiProperty({ description: 'A confirmed confirmation of the e-mail address.', maxLength: 64 })
  @IsString()
  @MaxLength(64)
  confirmationId!: string;
}

export class PhoneBody extends PhoneDetails {
  @ApiProperty({ description: 'The current password.', maxLength: 128 })
  @IsString()
  @MaxLength(128)
  password!: string;

  @ApiProperty({ description: 'A confirmed confirmation of new-phone.', maxLength: 64 })
  @IsString()
  @MaxLength(64)
  phoneConfirmationId!: string;
}

export class PasswordBody {
  @ApiProperty({ description: 'The current password.', maxLength: 128 })
  @IsString()
  @MaxLength(128)
  password!: string;

  @ApiProperty({ minLength: 8, maxLength: 128 })
  @IsString()
  @Length(8, 128)
  newPassword!: string;
}

export class AccountAnswer {
  @ApiProperty({ description: 'Drawn at random: it tells nothing about the customer.' })
  id!: string;

  @ApiProperty()
  email!: string;

  @ApiProperty({ type: String, nullable: true })
  phone!: string | null;

  @ApiProperty({ description: 'In EUR.', example: '1000.00' })
  balance!: string;
}
