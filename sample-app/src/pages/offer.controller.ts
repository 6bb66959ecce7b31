import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiProperty, ApiTags } from '@nestjs/swagger';
import { InjectSenderBackends, type SenderBackends } from 'nestjs-two-factor';

import { InjectSettings, type Settings } from '../settings.js';

class Way {
  @ApiProperty({ example: 'email' })
  name!: string;

  @ApiProperty({ example: 'E-mail' })
  verboseName!: string;
}

class OfferAnswer {
  @ApiProperty({ type: [Way] })
  ways!: Way[];

  @ApiProperty({
    type: String,
    nullable: true,
    example: 'https://bank.example',
    description: 'The only origin whose pages can use passkeys; null when there is none.',
  })
  passkeyOrigin!: string | null;

  @ApiProperty({ description: 'Whether messages are shown at /inbox.' })
  hasInbox!: boolean;

  @ApiProperty({
    description: 'Whether Swagger UI is at /api, and the deliveries are at /deliveries.',
  })
  hasSwagger!: boolean;
}

/** What this server can do. Its page shows no more than that. */
@ApiTags('offer')
@Controller('api/v1/offer')
export class OfferController {
  constructor(
    @InjectSenderBackends() private readonly backends: SenderBackends,
    @InjectSettings() private readonly settings: Settings,
  ) {}

  @Get()
  @ApiOkResponse({ type: OfferAnswer })
  offer(): OfferAnswer {
    const ways = [...this.backends.values()].map(({ name, verboseName }) => ({
      name,
      verboseName,
    }));
    const { hasInbox, isDevelopment, passkeyOrigin = null } = this.settings;
    return { ways, passkeyOrigin, hasInbox, hasSwagger: isDevelopment };
  }
}
