import { Controller, Post } from '@nestjs/common';
import { ConfirmerService, RequireConfirmation } from 'nestjs-two-factor';

@Controller('transfers')
export class TransfersController {
  // By its type alone: it takes the metadata that the compiler wrote.
  constructor(private readonly confirmer: ConfirmerService) {}

  @Post()
  @RequireConfirmation('transfer')
  transfer(): { done: boolean } {
    return { done: this.confirmer instanceof ConfirmerService };
  }
}
