import { ApiProperty } from '@nestjs/swagger';
import { IsAscii, IsEmail, Matches, MaxLength } from 'class-validator';

import { AMOUNT } from './money.js';

export class TransferBody {
  @ApiProperty({ example: '10.50', description: 'EUR, with two decimals.' })
  @Matches(AMOUNT, { message: 'amount must look like 10.50' })
  amount!: string;

  @ApiProperty({ example: 'bob@bank.example' })
  @IsEmail()
  @IsAscii()
  @MaxLength(254)
  payee!: string;
}

export class TransferAnswer {
  @ApiProperty()
  id!: string;

  @ApiProperty({ format: 'date-time' })
  createdAt!: string;

  @ApiProperty({ enum: ['in', 'out'] })
  direction!: 'in' | 'out';

  @ApiProperty({ description: 'Who paid, or was paid.' })
  counterparty!: string;

  @ApiProperty({ example: '10.50' })
  amount!: string;
}
