import { randomUUID } from 'node:crypto';

import {
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { FactorService, TwoFactorEvents } from 'nestjs-two-factor';
import type { Subscription } from 'rxjs';
import { DataSource, LessThanOrEqual } from 'typeorm';

import { User } from '../accounts/user.entity.js';
import { FactorChange } from './factor-change.entity.js';
import { knownFactors, sentencesOf, type KnownFactor } from './factor-sentences.js';
import { NoticeService } from './notice.service.js';

/** How long a call may take before its change is looked at by others: its process may have died. */
const PATIENCE_MS = 60_000;
const EVERY_MS = 15_000;

/**
 * Tells owners that something which confirms was added to their account or removed from it. The change is made by the routes of
 * nestjs-two-factor, in their transaction. So what the customer has is written down before it, and compared after it: a process
 * that dies in between leaves the row, from which another process, or the next start, makes the notice. It may come twice, and
 * is never lost.
 */
@Injectable()
export class FactorNoticesService implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #logger = new Logger(FactorNoticesService.name);
  #subscription: Subscription | undefined;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly factors: FactorService,
    private readonly events: TwoFactorEvents,
    private readonly notices: NoticeService,
    @InjectDataSource() private readonly dataSource: DataSource,
  ) {}

  onApplicationBootstrap(): void {
    // It changes nothing, so that there is nothing to compare.
    this.#subscription = this.events.subscribe((event) => {
      if (event.type !== 'passkey-copy-suspected') return;
      const changes = ['A passkey was refused that may have been copied'];
      this.#write(() => this.#tell(event.subject, changes));
    });
    this.#write(() => this.#settleDue());
    this.#timer = setInterval(() => this.#write(() => this.#settleDue()), EVERY_MS).unref();
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.#timer);
    this.#subscription?.unsubscribe();
    await this.#writing;
  }

  /** Writes down what the customer has. Call `finish` with the answer after the change, or `drop` after a refusal. */
  async begin(userId: string): Promise<string> {
    const id = randomUUID();
    const before = JSON.stringify(await this.#known(userId));
    const dueAt = Date.now() + PATIENCE_MS;
    await this.dataSource.manager.insert(FactorChange, { id, userId, before, dueAt });
    return id;
  }

  /**
   * Forgets a change that was refused. The refused call does it itself: a customer who sends many of them would otherwise hold up the
   * notices of all other customers.
   */
  async drop(id: string): Promise<void> {
    await this.dataSource.manager.delete(FactorChange, { id }).catch(() => undefined);
  }

  /** Stores the notice in the background: the call that made the change does not wait for it. */
  finish(id: string): void {
    this.#write(async () => {
      const change = await this.dataSource.manager.findOneBy(FactorChange, { id });
      if (change !== null) await this.#settle(change);
    });
  }

  #write(work: () => Promise<void>): void {
    this.#writing = this.#writing.then(() =>
      work().catch((error: unknown) =>
        this.#logger.error(`A notice waits: ${error instanceof Error ? error.name : 'unknown'}`),
      ),
    );
  }

  async #settleDue(): Promise<void> {
    const due = await this.dataSource.manager.find(FactorChange, {
      where: { dueAt: LessThanOrEqual(Date.now()) },
      order: { dueAt: 'ASC' },
      take: 20,
    });
    for (const change of due) await this.#settle(change);
  }

  /** The row goes after the notice is stored: a crash in between tells the owner twice. */
  async #settle({ id, userId, before, dueAt }: FactorChange): Promise<void> {
    const { manager } = this.dataSource;
    // Of several processes the one whose statement moves `dueAt` writes the notice.
    const claim = { dueAt: Math.max(Date.now(), dueAt) + PATIENCE_MS };
    const { affected } = await manager.update(FactorChange, { id, dueAt }, claim);
    if (affected !== 1) return;
    const changes = sentencesOf(JSON.parse(before) as KnownFactor[], await this.#known(userId));
    if (changes.length > 0) await this.#tell(userId, changes);
    await manager.delete(FactorChange, { id });
  }

  async #tell(id: string, changes: readonly string[]): Promise<void> {
    const { manager } = this.dataSource;
    const user = await manager.findOneBy(User, { id });
    if (user === null) return;
    await this.notices.add(user, { what: 'factors', changes }, manager);
    this.notices.sendSoon();
  }

  async #known(subject: string): Promise<KnownFactor[]> {
    return knownFactors(await this.factors.list({ subject }));
  }
}
