import {
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource, LessThan } from 'typeorm';

import { FailureCount } from '../passwords/failure-count.entity.js';
import { CountedCode } from '../sessions/counted-code.entity.js';
import { Session } from '../sessions/session.entity.js';
import { FirstStep } from '../sessions/first-step.entity.js';

const EVERY_MS = 10 * 60_000;

/** Deletes rows that have expired. They open nothing any more; this only keeps the tables small. */
@Injectable()
export class CleanUpService implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #logger = new Logger(CleanUpService.name);
  #timer: NodeJS.Timeout | undefined;

  constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.#cleanUp();
    this.#timer = setInterval(() => void this.#cleanUp(), EVERY_MS).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.#timer);
  }

  async #cleanUp(): Promise<void> {
    const { manager } = this.dataSource;
    const now = Date.now();
    try {
      await manager.delete(Session, { expiresAt: LessThan(now) });
      await manager.delete(CountedCode, { expiresAt: LessThan(now) });
      await manager.delete(FirstStep, { expiresAt: LessThan(now) });
      await manager.delete(FailureCount, { endsAt: LessThan(now) });
    } catch (error) {
      this.#logger.warn(
        `Cleaning up failed: ${error instanceof Error ? error.message : 'unknown'}`,
      );
    }
  }
}
