import { ApiProperty } from '@nestjs/swagger';

export class SessionAnswer {
  @ApiProperty({ format: 'uuid' })
  id!: string;

  @ApiProperty({ description: 'What the browser says that it is.' })
  device!: string;

  @ApiProperty({ format: 'date-time' })
  createdAt!: string;

  @ApiProperty({ format: 'date-time' })
  lastUsedAt!: string;

  @ApiProperty({ description: 'Whether it is the session of this request.' })
  isCurrent!: boolean;
}

export class EndedAnswer {
  @ApiProperty({ description: 'Sessions that began later than this one, and stay.' })
  newer!: number;
}
