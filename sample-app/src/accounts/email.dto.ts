import { ApiProperty } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsAscii, IsEmail, MaxLength } from 'class-validator';

/** Longer addresses would not fit into the details of a transfer, which a message must show whole. */
export const MAX_EMAIL = 70;

/**
 * The spelling in which the bank stores and compares an address. `toLowerCase()` also changes letters beyond ASCII: it makes the k of
 * another mailbox out of the Kelvin sign (U+212A).
 */
export function inLowerCase(address: string): string {
  return address.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
}

const LowerCase = (): PropertyDecorator =>
  Transform(({ value }: { value: unknown }) =>
    typeof value === 'string' ? inLowerCase(value.trim()) : value,
  );

export class EmailBody {
  @ApiProperty({ example: 'ann@bank.example', maxLength: MAX_EMAIL })
  @LowerCase()
  @IsEmail()
  // MariaDB compares ä and a as equal. They are different mailboxes.
  @IsAscii()
  @MaxLength(MAX_EMAIL)
  email!: string;
}
