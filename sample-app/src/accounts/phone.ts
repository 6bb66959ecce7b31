import { ApiProperty } from '@nestjs/swagger';
import { Matches, MaxLength } from 'class-validator';

/** E.164, and nothing that only looks like it. */
export const PHONE = /^\+[1-9]\d{6,14}$/;

/** The details of the purpose `change-phone`. */
export class PhoneDetails {
  @ApiProperty({ example: '+4915112345678' })
  @Matches(PHONE, { message: 'phone must look like +4915112345678' })
  @MaxLength(16)
  phone!: string;
}
