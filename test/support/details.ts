import { IsInt, IsOptional, IsString, MaxLength, MinLength } from 'class-validator';

/** What a transfer asks to have approved. */
export class Details {
  @IsString()
  @MaxLength(20)
  amount!: string;

  @IsString()
  @MinLength(1)
  @MaxLength(70)
  payee!: string;

  @IsOptional()
  @IsInt()
  fee?: number;
}
