import { performance } from 'node:perf_hooks';

import { Logger } from '@nestjs/common';

import { shortDigest } from '../../crypto/index.js';
import { DEFAULTS, isName, NAME_RULE } from '../../options/index.js';
import {
  traitsOf,
  type Delivery,
  type FailureTraits,
  type ProviderHealth,
  type ResolvedSender,
  type SendFunction,
  type SenderBackendFactoryInput,
  type SenderDefinition,
  type SenderTokenKind,
} from '../../sender/index.js';
import { untilAborted, withTimeout } from '../../with-timeout.js';
import { OptionReader } from '../provider/options.js';
import { CircuitBreaker, type BreakerVerdict } from './circuit-breaker.js';

/** When a provider is passed over. */
export interface BreakerOptions {
  /**
   * Failures in a row, 2 to 1000. Those that a recipient may cause open it only when the provider does not answer a request without a
   * recipient either. @default 5
   */
  readonly threshold?: number | undefined;
  /** How long it is passed over, in seconds, 1 to 3600. Then one message at a time tries it. @default 30 */
  readonly openSeconds?: number | undefined;
}

/** The options of a failover. */
export interface FailoverOptions {
  /** The providers by name, in the order in which they are asked: each an entry as in the option `senders`. At least two. */
  readonly senders: Readonly<Record<string, SenderDefinition>>;
  /**
   * Whether the next provider is asked when one has not answered. The message may then arrive, and be paid, twice.
   * @default false
   */
  readonly afterTimeout?: boolean | undefined;
  /** Longest wait for each provider but the last, in milliseconds, with `afterTimeout`, 100 to 60000. @default 4000 */
  readonly timeoutMs?: number | undefined;
  /** When a provider is passed over. @default { threshold: 5, openSeconds: 30 } */
  readonly breaker?: BreakerOptions | undefined;
}

const OPTIONS = ['senders', 'afterTimeout', 'timeoutMs', 'breaker'];
const BREAKER_OPTIONS = ['threshold', 'openSeconds'];
const DEFAULT_TIMEOUT_MS = 4_000;

interface Member extends ResolvedSender {
  readonly breaker: CircuitBreaker;
}

/**
 * Creates a sender that asks several providers in turn. All of them send to recipients of one kind: a code by e-mail proves
 * something else than one by text message, so that each of them is a sender of its own.
 *
 * The next provider is asked after a clear refusal of the one before it, also after one of the recipient, whom another provider may
 * reach; not when the message may have arrived in spite of the failure, unless `afterTimeout` is set. An error of a sender of your own
 * that is no `SendFailure` and names no wait leaves open whether the message arrived. A circuit breaker for each
 * provider and application instance spares messages the wait for one that is down. It opens for failures that concern every recipient
 * (`concernsAll`), and when a provider that kept failing does not answer a request without a recipient (`ping` of its `send`): no choice
 * of recipients opens it. When all are passed over, they are asked all the same.
 *
 * @throws TwoFactorConfigurationError at boot for fewer than two providers, for providers of two kinds of recipients, and for the
 * options of a provider.
 * @example
 * ```ts
 * senders: {
 *   sms: defineSender(failoverBackend, {
 *     options: {
 *       senders: {
 *         twilio: defineSender(twilioBackend, { options: twilioOptions }),
 *         sns: defineSender(awsSnsBackend, { options: { region: 'eu-central-1' } }),
 *       },
 *     },
 *   }),
 * }
 * ```
 * @publicApi
 */
export async function failoverBackend(
  input: SenderBackendFactoryInput<FailoverOptions>,
): Promise<SendFunction<FailoverOptions>> {
  const { name, options, resolve, sendTimeoutMs = DEFAULTS.sendTimeoutMs } = input;
  const reader = new OptionReader(name, options, OPTIONS);
  const afterTimeout = reader.boolean('afterTimeout', false);
  const timeoutMs = reader.integer('timeoutMs', DEFAULT_TIMEOUT_MS, 100, 60_000);
  const breaker = new OptionReader(name, options.breaker ?? {}, BREAKER_OPTIONS);
  const rule = {
    threshold: breaker.integer('threshold', 5, 2, 1_000),
    openMs: breaker.integer('openSeconds', 30, 1, 3_600) * 1_000,
  };
  const entries = entriesOf(reader, options.senders);
  assertTimeToAskAll(reader, options, { count: entries.length, timeoutMs, sendTimeoutMs });
  if (resolve === undefined) {
    throw reader.error('is a failover outside of the option senders. Give it there');
  }
  const members: Member[] = [];
  for (const [member, entry] of entries) {
    members.push({ ...(await resolve(member, entry)), breaker: new CircuitBreaker(rule) });
  }
  const tokenKind = kindOfAll(reader, members);
  const limits = { timeoutMs: afterTimeout ? timeoutMs : null, pingMs: sendTimeoutMs };
  const chain = new Failover(name, members, limits, rule.openMs);
  return Object.assign((delivery: Delivery<FailoverOptions>) => chain.send(delivery), {
    tokenKind,
    providers: () => chain.providers(),
    onApplicationShutdown: () => chain.stop(),
  });
}

function entriesOf(reader: OptionReader, senders: unknown): [string, SenderDefinition][] {
  const entries =
    typeof senders === 'object' && senders !== null
      ? Object.entries(senders as Record<string, SenderDefinition>)
      : [];
  if (entries.length < 2) {
    throw reader.error('is a failover of fewer than two senders. Give two in its option senders');
  }
  for (const [name, entry] of entries) {
    if (entry?.destinations !== undefined) {
      throw reader.error(
        `has destinations at its sender ${JSON.stringify(name)}, which no request would ask. Give them to the failover itself`,
      );
    }
    // JavaScript lists names that are numbers first, in another order than they are written.
    if (!isName(name) || /^\d+$/.test(name)) {
      throw reader.error(
        `has a sender ${JSON.stringify(name)}, which is not ${NAME_RULE}, and no number`,
      );
    }
  }
  return entries;
}

/** Without this, a second provider that was configured for the outage of the first would never be asked in one. */
function assertTimeToAskAll(
  reader: OptionReader,
  { afterTimeout, timeoutMs: given }: FailoverOptions,
  { count, timeoutMs, sendTimeoutMs }: { count: number; timeoutMs: number; sendTimeoutMs: number },
): void {
  if (!afterTimeout) {
    if (given === undefined) return;
    throw reader.error(
      'has the option timeoutMs, which means nothing without afterTimeout: true. Set both or none',
    );
  }
  const waitsMs = timeoutMs * (count - 1);
  if (waitsMs < sendTimeoutMs) return;
  throw reader.error(
    `waits ${timeoutMs} ms for each of its senders but the last, which is ${waitsMs} ms, and the option sendTimeoutMs ends each ` +
      `message after ${sendTimeoutMs} ms: the last sender would never be asked. Lower timeoutMs or raise sendTimeoutMs`,
  );
}

function kindOfAll(reader: OptionReader, members: readonly Member[]): SenderTokenKind | undefined {
  const kinds = new Set(members.flatMap(({ send }) => send.tokenKind ?? []));
  if (kinds.size > 1) {
    throw reader.error(
      `is a failover of senders to ${[...kinds].join(' and ')}. Make a sender of each, because each proves something else`,
    );
  }
  return [...kinds][0];
}

interface FailoverTimeouts {
  /** How long each sender but the last is waited for; `null` for as long as the message is. */
  readonly timeoutMs: number | null;
  /**
   * How long the answer to a request without a recipient is waited for: as long as a message is. A provider that is slow and takes its
   * messages in time would otherwise be passed over.
   */
  readonly pingMs: number;
}

class Failover {
  readonly #logger = new Logger('Failover');
  /**
   * Aborted at shutdown, because an open request would keep the process alive. `verify` of nodemailer takes no signal: its connection
   * ends by the time limits of the transport.
   */
  readonly #stopped = new AbortController();
  /** Those that are asked now whether they answer. */
  readonly #activePings = new Set<Member>();

  constructor(
    private readonly name: string,
    private readonly members: readonly Member[],
    private readonly limits: FailoverTimeouts,
    private readonly openMs: number,
  ) {}

  providers(): readonly ProviderHealth[] {
    return this.members.map(({ name, breaker }) => ({ name, isPassedOver: breaker.isUnproven }));
  }

  stop(): void {
    this.#stopped.abort(new Error('The application is shutting down.'));
  }

  async send(delivery: Delivery<FailoverOptions>): Promise<void> {
    // A digest has one length, however long the token is.
    const recipient = shortDigest(delivery.token);
    const failures: unknown[] = [];
    const passedOver: Member[] = [];
    const waiting = [...this.members];
    for (let member = waiting.shift(); member !== undefined; member = waiting.shift()) {
      delivery.signal.throwIfAborted();
      const isLastResort = passedOver.includes(member);
      if (!isLastResort && !member.breaker.allows(recipient, performance.now())) {
        // Asked after the others: a breaker makes messages faster, and loses none.
        passedOver.push(member);
        waiting.push(member);
        continue;
      }
      try {
        await this.#call(member, delivery, waiting.length === 0);
        member.breaker.accepted(recipient);
        return;
      } catch (error) {
        this.#record(member, recipient, error);
        delivery.report?.(member.name, error);
        failures.push(error);
        if (traitsOf(error).mayHaveArrived && this.limits.timeoutMs === null) break;
      }
    }
    delivery.signal.throwIfAborted();
    throw failures.toSorted(byPrecedence)[0];
  }

  async #call(
    { send, options }: Member,
    delivery: Delivery<FailoverOptions>,
    isLast: boolean,
  ): Promise<void> {
    const own = { ...delivery, options };
    const { timeoutMs } = this.limits;
    if (timeoutMs === null || isLast) {
      // A provider may ignore the signal and never answer. Its breaker would wait for the outcome of this message for good.
      await untilAborted(delivery.signal, () => send(own));
      return;
    }
    await withTimeout(timeoutMs, (ended) =>
      send({ ...own, signal: AbortSignal.any([delivery.signal, ended]) }),
    );
  }

  #record(member: Member, recipient: string, error: unknown): void {
    const verdict = verdictOf(member.breaker, recipient, traitsOf(error));
    if (verdict === 'opened') this.#warn(member);
    // Not awaited: the message goes to the next provider meanwhile. It never rejects.
    if (verdict === 'ask') void this.#ping(member);
  }

  /** Asks a provider whether it answers at all. One that does fails for some recipients only, and stays in its place. */
  async #ping(member: Member): Promise<void> {
    const { breaker, send } = member;
    const { ping } = send;
    if (this.#activePings.has(member)) return;
    if (ping === undefined) {
      breaker.refused();
      return;
    }
    const stopped = this.#stopped.signal;
    this.#activePings.add(member);
    try {
      const answer = await withTimeout(this.limits.pingMs, (ended) =>
        ping(AbortSignal.any([stopped, ended])),
      );
      // So does nodemailer for a transport that cannot be asked.
      if (answer === false) breaker.refused();
      else breaker.pingAnswered(performance.now());
    } catch {
      if (!stopped.aborted && breaker.pingFailed(performance.now())) this.#warn(member);
    } finally {
      this.#activePings.delete(member);
    }
  }

  #warn({ name }: Member): void {
    const seconds = this.openMs / 1_000;
    this.#logger.warn(`Sender ${this.name} passes over ${name} for ${seconds} seconds.`);
  }
}

function verdictOf(
  breaker: CircuitBreaker,
  recipient: string,
  { kind, concernsAll }: FailureTraits,
): BreakerVerdict {
  const now = performance.now();
  if (kind === 'recipient') {
    breaker.refused();
    return 'none';
  }
  return concernsAll
    ? breaker.failed(kind === 'configuration', now)
    : breaker.failedUnexplained({ recipient, isTemporary: kind === 'temporary' }, now);
}

const RANKS: Readonly<Record<FailureTraits['kind'], number>> = {
  temporary: 0,
  'rate-limited': 1,
  configuration: 2,
  recipient: 3,
};

/**
 * Orders the failures of several providers: the caller receives the first one. A failure after which a repeated call may
 * succeed comes first. The refusal of the recipient comes last, because another provider may still reach that person. Of two failures
 * of one kind the one comes first after which the message may have arrived: otherwise a message that a provider may have sent would be
 * sent again without a charge, and would be missing from the counts of toll fraud.
 */
function byPrecedence(one: unknown, other: unknown): number {
  const [left, right] = [traitsOf(one), traitsOf(other)];
  return (
    RANKS[left.kind] - RANKS[right.kind] ||
    Number(right.mayHaveArrived) - Number(left.mayHaveArrived)
  );
}
