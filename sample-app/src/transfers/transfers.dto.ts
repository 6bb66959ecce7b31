import { ApiProperty } from '@nestjs/swagger';
import { IsAscii, IsEmail, IsOptional, IsString, Matches, MaxLength } from 'class-validator';

import { MAX_EMAIL } from '../accounts/email.dto.js';
import { AMOUNT } from './money.js';

/** The details of the purpose `transfer`, and the body of the route that it protects: what is paid is what was approved. */
export class TransferDetails {
  @ApiProperty({ example: '10.50', description: 'EUR, with two decimals.' })
  @Matches(AMOUNT, { message: 'amount must look like 10.50' })
  @MaxLength(10)
  amount!: string;

  @ApiProperty({ example: 'bob@bank.example', maxLength: MAX_EMAIL })
  @IsEmail()
  @IsAscii()
  // IsEmail takes a sentence in quotes before the @, which would stand in the message.
  @Matches(/^[^\s"]+$/, { message: 'payee must be an email without blanks and quotes' })
  @MaxLength(MAX_EMAIL)
  payee!: string;
}

export class TransferQuery {
  @ApiProperty({
    required: false,
    maxLength: 36,
    description:
      'Only the transfer that you have made by this confirmation, however old it is. A page whose call got no answer finds out by it whether it paid.',
  })
  @IsOptional()
  @IsString()
  @MaxLength(36)
  confirmationId?: string;
}

export class TransferAnswer {
  @ApiProperty()
  id!: string;

  @ApiProperty({ format: 'date-time' })
  createdAt!: string;

  @ApiProperty({ enum: ['in', 'out'] })
  direction!: 'in' | 'out';

  @ApiProperty({ description: 'The other party of the transfer.' })
  counterparty!: string;

  @ApiProperty({ example: '10.50' })
  amount!: string;

  @ApiProperty({
    required: false,
    description: 'Of a transfer that you have made: the confirmation that paid it.',
  })
  confirmationId?: string;
}
