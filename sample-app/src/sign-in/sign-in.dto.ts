import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsOptional, IsString, MaxLength } from 'class-validator';

import { EmailBody } from '../accounts/email.dto.js';

export class SignInBody extends EmailBody {
  @ApiProperty({ maxLength: 128 })
  @IsString()
  @MaxLength(128)
  password!: string;
}

export class SessionBody {
  @ApiPropertyOptional({
    description: 'Whether this browser confirms the next sign-ins by itself.',
  })
  @IsOptional()
  @IsBoolean()
  remember?: boolean;
}
