import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiProperty, ApiTags } from '@nestjs/swagger';
import { InjectSenderBackends, type SenderBackends } from 'nestjs-two-factor';

import { settings } from '../settings.js';

class Way {
  @ApiProperty({ example: 'email' })
  name!: string;

  @ApiProperty({ example: 'E-mail' })
  verboseName!: string;
}

class OfferAnswer {
  @ApiProperty({ type: [Way] })
  ways!: Way[];

  @ApiProperty({ description: 'Whether messages are shown at /inbox.' })
  hasInbox!: boolean;
}

/** What this server can do, for its page to show no more than that. */
@ApiTags('offer')
@Controller('api/v1/offer')
export class OfferController {
  constructor(@InjectSenderBackends() private readonly backends: SenderBackends) {}

  @Get()
  @ApiOkResponse({ type: OfferAnswer })
  offer(): OfferAnswer {
    const ways = [...this.backends.values()].map(({ name, verboseName }) => ({
      name,
      verboseName,
    }));
    return { ways, hasInbox: settings.hasInbox };
  }
}
