import { randomUUID } from 'node:crypto';

import {
  Injectable,
  Logger,
  Optional,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import type { Transporter } from 'nodemailer';
import { LessThanOrEqual, Repository, type EntityManager } from 'typeorm';

import type { User } from '../accounts/user.entity.js';
import { InjectMailTransport } from '../mail/mail.module.js';
import { InjectSettings, type Settings } from '../settings.js';
import { changeMail, oldNumberMessage, type Change } from './change-notice.js';
import { Notice } from './notice.entity.js';
import { TextMessages } from './text-messages.js';

const EVERY_MS = 15_000;
const FIRST_PAUSE_MS = 30_000;
const LONGEST_PAUSE_MS = 3_600_000;
const GIVE_UP_AFTER_MS = 7 * 24 * 3_600_000;

/**
 * Tells owners what changed in their accounts. A notice is written in the transaction of the change and sent afterwards,
 * again and again until a server takes it: a change whose notice was lost is a change that a thief made in silence. After a
 * crash between sending and deleting a notice comes twice, which does no harm.
 */
@Injectable()
export class NoticeService implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #logger = new Logger(NoticeService.name);
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(
    @InjectRepository(Notice) private readonly notices: Repository<Notice>,
    @InjectMailTransport() private readonly mail: Transporter,
    @InjectSettings() private readonly settings: Settings,
    @Optional() private readonly textMessages?: TextMessages,
  ) {}

  onApplicationBootstrap(): void {
    this.#timer = setInterval(() => this.sendSoon(), EVERY_MS).unref();
  }

  /** Waits for the notice that is being sent. The others wait in the table: each may take seconds while the mail server is silent. */
  async onApplicationShutdown(): Promise<void> {
    this.#isStopped = true;
    clearInterval(this.#timer);
    await this.#sending;
  }

  /** Writes the notices about a change. Call `sendSoon` once the transaction has committed. */
  async add(user: Pick<User, 'email'>, change: Change, manager: EntityManager): Promise<void> {
    const now = Date.now();
    const about = { attempts: 0, createdAt: now, dueAt: now };
    await manager.insert(Notice, {
      ...about,
      ...changeMail(change, new Date(now)),
      id: randomUUID(),
      kind: 'email',
      recipient: user.email,
    });
    if (change.what !== 'phone' || change.from === null) return;
    await manager.insert(Notice, {
      ...about,
      id: randomUUID(),
      kind: 'sms',
      recipient: change.from,
      subject: '',
      text: oldNumberMessage(),
    });
  }

  /** Sends what is due in the background, one round after the other. */
  sendSoon(): void {
    this.#sending = this.#sending.then(() =>
      this.#sendDue().catch((error: unknown) =>
        this.#logger.warn(`Notices wait: ${reasonOf(error)}`),
      ),
    );
  }

  async #sendDue(): Promise<void> {
    if (this.#isStopped) return;
    const due = await this.notices.find({
      where: { dueAt: LessThanOrEqual(Date.now()) },
      order: { dueAt: 'ASC' },
      take: 20,
    });
    for (const notice of due) {
      if (this.#isStopped) return;
      // Of several processes the one whose statement moves `dueAt` sends it.
      if (await this.#claim(notice)) await this.#send(notice);
    }
  }

  async #claim({ id, attempts, dueAt }: Notice): Promise<boolean> {
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** attempts, LONGEST_PAUSE_MS);
    const { affected } = await this.notices.update(
      { id, dueAt },
      { dueAt: Date.now() + pause, attempts: attempts + 1 },
    );
    return affected === 1;
  }

  async #send(notice: Notice): Promise<void> {
    const { id, createdAt } = notice;
    try {
      await this.#handOver(notice);
    } catch (error) {
      this.#logger.warn(`Notice ${id} was not sent: ${reasonOf(error)}`);
      if (Date.now() - createdAt < GIVE_UP_AFTER_MS) return;
      this.#logger.error(`Notice ${id} was given up after seven days.`);
    }
    await this.notices.delete({ id });
  }

  async #handOver({ kind, recipient, subject, text }: Notice): Promise<void> {
    if (kind === 'sms') {
      if (this.textMessages === undefined) throw new Error('There is no sender of text messages.');
      return this.textMessages.send({ to: recipient, text });
    }
    await this.mail.sendMail({
      from: this.settings.mailFrom,
      // An object, so that the address is never read as a list.
      to: { name: '', address: recipient },
      subject,
      text,
      disableFileAccess: true,
      disableUrlAccess: true,
    });
  }
}

/** Without the text of the failure: a mail server repeats the recipient in it. */
function reasonOf(error: unknown): string {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : error instanceof Error ? error.name : 'unknown';
}
