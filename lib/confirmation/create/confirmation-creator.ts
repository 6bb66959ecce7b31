import { Inject, Injectable } from '@nestjs/common';

import {
  idFromRequestKey,
  normaliseCode,
  type EnvelopeContent,
  type KeyRing,
} from '../../crypto/index.js';
import type { Deadline } from '../../database/index.js';
import {
  TwoFactorConfigurationError,
  TwoFactorConflictError,
  TwoFactorKeyReusedError,
  type MethodName,
} from '../../errors/index.js';
import { QuotaLedger, type QuotaReceipt, type MessagelessRequest } from '../../limits/index.js';
import type { ResolvedOptions } from '../../options/index.js';
import { InjectTwoFactorOptions } from '../../two-factor.tokens.js';
import { ConfirmationStates } from '../confirmation-states.js';
import { EventPublisher } from '../event-publisher.js';
import { jsonInColumn } from '../model/ascii-columns.js';
import type { StoredBinding } from '../model/binding.js';
import { matchesBinding } from '../model/binding-match.js';
import type { ConfirmationRow } from '../model/confirmation-record.entity.js';
import { openContent, type ConfirmationState } from '../model/confirmation-state.js';
import type { MakeConfirmationInput } from '../model/inputs.interface.js';
import { CODE_METHOD } from '../model/methods.js';
import { canonicalOrNull, parseMakeInput, type ParsedInput } from '../model/parse-input.js';
import {
  CONFIRMATION_WRITER,
  type ConfirmationWriter,
  type Creation,
  type CreationRequest,
} from '../store/confirmation-writer.js';
import { ConfirmationStore } from '../store/confirmation.store.js';
import type { QueuedMessage } from '../store/dialects/queue-clauses.js';
import { rowAfterInsert, type NewConfirmation } from '../store/row-mapping.js';
import { newRow } from './new-row.js';
import { TestRecipients } from './test-recipients.js';

/** The message that a request sends with a new confirmation. */
export interface InitialMessage {
  readonly way: string;
  readonly requester: string | undefined;
  /** Its row in the queue; `null` for a message that is sent immediately. */
  readonly queued: QueuedMessage | null;
}

/** What a new confirmation is counted by. */
interface CountedRequest {
  readonly message: InitialMessage | undefined;
  readonly method: MethodName | undefined;
  readonly unsent: MessagelessRequest | undefined;
  readonly isTest: boolean;
}

/** A confirmation that a request has created, or that an earlier request with the same idempotency key has created. */
export interface CreatedConfirmation {
  readonly state: ConfirmationState;
  /** The message that is recorded as sent, and that the caller must send now; `null` for none. */
  readonly pendingMessage: EnvelopeContent | null;
  /** What its message has consumed, if that is not recorded yet. */
  readonly receipt: QuotaReceipt | null;
}

/** Creates a confirmation with its code and its quotas, once for each idempotency key. */
@Injectable()
export class ConfirmationCreator {
  constructor(
    private readonly store: ConfirmationStore,
    @Inject(CONFIRMATION_WRITER) private readonly writer: ConfirmationWriter,
    private readonly ledger: QuotaLedger,
    private readonly states: ConfirmationStates,
    private readonly publisher: EventPublisher,
    private readonly testRecipients: TestRecipients,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {}

  /**
   * Creates a confirmation and consumes its first message with it. The message is also recorded as sent, unless it is sent at
   * once and there is an idempotency key: a caller that lost the answer repeats the request, and must then find out that
   * nothing was sent.
   *
   * @throws TwoFactorRecipientError for a message to a token that its sender does not send to; nothing was counted.
   * @param method the method that the request begins with, if it is not a code: its lock is asked then, and not that of the
   * phone number or address, so that guesses at sent codes never lock an authenticator app.
   * @param unsent the requester of a confirmation that a client begins by that method. It has no code before its first message:
   * guesses at a code that was never sent would be compared, and counted as failures of the subject.
   */
  async create(
    input: MakeConfirmationInput,
    message?: InitialMessage,
    method?: MethodName,
    unsent?: MessagelessRequest,
  ): Promise<CreatedConfirmation> {
    const parsed = parseMakeInput(input, this.options);
    const hasCode =
      !parsed.isConfirmed &&
      unsent === undefined &&
      (parsed.methods?.includes(CODE_METHOD) ?? true);
    // Only together with a message, whose delivery logs the use. Without one the application delivers the code itself.
    const isSending = hasCode && message !== undefined;
    const fixed = isSending
      ? this.testRecipients.codeOf(parsed.token, parsed.binding.purpose)
      : null;
    // Nothing is sent to a test recipient, whose number may be none that an operator has.
    if (isSending && fixed === null && parsed.token !== undefined) {
      this.ledger.destinations.assertAllowed(message.way, parsed.token);
    }
    const code = hasCode ? (fixed ?? (await this.drawCode())) : null;
    // A caller's transaction has a time limit of its own, and no call may use it after that caller was answered.
    const counted = { message, method, unsent, isTest: fixed !== null };
    return parsed.manager === undefined
      ? this.store.withDeadline((deadline) => this.#create(deadline, parsed, code, counted))
      : this.#create(undefined, parsed, code, counted);
  }

  /**
   * One code of the configured generator, normalised.
   *
   * @throws TwoFactorConfigurationError when the generator returns a code that a person could not type.
   */
  async drawCode(): Promise<string> {
    const code = normaliseCode(await this.options.codeGenerator());
    if (code === null) {
      throw new TwoFactorConfigurationError(
        'The codeGenerator made something that is not 6 to 64 printable ASCII characters. Let it make such codes.',
      );
    }
    return code;
  }

  async #create(
    deadline: Deadline | undefined,
    parsed: ParsedInput,
    code: string | null,
    { message, method, unsent, isTest }: CountedRequest,
  ): Promise<CreatedConfirmation> {
    const { binding, manager, token, tokenFrom, ttlMs, idempotencyKey } = parsed;
    const keyIds =
      idempotencyKey === undefined
        ? []
        : idsFromRequestKey(this.options.keyRing, idempotencyKey, binding);
    const queued = message?.queued ?? null;
    // A message that is sent at once may be lost with its caller, who repeats the request with the idempotency key: the call that
    // sends the message counts it then. The queue sends a queued message in any case.
    const countsFirstMessage =
      message !== undefined && (idempotencyKey === undefined || queued !== null);
    // No client has requested it, so that no quota of requests counts it.
    const isMadeByApplication = message === undefined && unsent === undefined;
    const hasSlot = code !== null && manager === undefined && isMadeByApplication;
    const requester = queued === null ? undefined : message?.requester;
    const context = { code, id: keyIds[0], countsFirstMessage, hasSlot, requester, isTest };
    const { row, content } = newRow(parsed, context, this.options);
    const { purpose, subject } = binding;
    const opens = { id: row.id, ttlMs };
    const scope = { token: token ?? null, tokenFrom, subject, purpose, hasSlot, method };
    const demand = { ...scope, opens, sends: message, unsent };
    const creation = await this.#write({
      row,
      demand: code === null && unsent === undefined ? null : demand,
      keyIds,
      manager,
      queued,
      deadline,
    });
    if (creation.outcome === 'invisible') throw invisibleKeyError();
    if (creation.outcome === 'repeated') return this.#replay(row, binding, token, creation.row);
    const { receipt } = creation;
    // The caller was refused meanwhile, and no other call can know a drawn id. A request with a key will be repeated, and a
    // queued message will be sent.
    const isLost = keyIds.length === 0 && queued === null;
    if (deadline?.expired && isLost && receipt) await this.ledger.refund(receipt);
    this.publisher.created(row, demand, manager);
    const state = this.states.stateOf(rowAfterInsert(row));
    return { state, pendingMessage: countsFirstMessage ? content : null, receipt };
  }

  async #write(request: CreationRequest): Promise<Creation> {
    try {
      return await this.writer.create(request);
    } catch (error) {
      const { demand, row } = request;
      if (demand) this.publisher.sendBlocked(error, { id: '', way: row.way }, demand);
      throw error;
    }
  }

  /** The state that an idempotency key stands for, if this is the same request. */
  #replay(
    attempted: NewConfirmation,
    binding: StoredBinding,
    token: string | undefined,
    found: ConfirmationRow,
  ): CreatedConfirmation {
    const state = this.states.stateOf(found);
    const madeFor = openContent(state)?.token;
    // A confirmation that was begun by another method gets its code with its first message, so that it may have one now or not.
    const mayDiffer = found.methods !== null;
    const isSame =
      matchesBinding(this.options.keyRing, found, binding) &&
      (mayDiffer || (found.codeMac === null) === (attempted.codeMac === null)) &&
      found.methods === attempted.methods &&
      found.expiresAt - found.createdAt === attempted.expiresAt - attempted.createdAt &&
      jsonInColumn(canonicalOrNull(found.meta)) === attempted.meta &&
      (attempted.way === '' || found.way === '' || found.way === attempted.way) &&
      (token === undefined || madeFor === undefined || madeFor === token);
    if (isSame) return { state, pendingMessage: null, receipt: null };
    throw new TwoFactorKeyReusedError(
      'The idempotencyKey stands for another request. Draw a new one for each request.',
    );
  }
}

function invisibleKeyError(): TwoFactorConflictError {
  return new TwoFactorConflictError(
    'The idempotencyKey was used by a transaction that this one cannot see. Roll it back.',
  );
}

/** The ids that an idempotency key stands for under each secret, that of the signing secret first. */
function idsFromRequestKey(ring: KeyRing, key: string, binding: StoredBinding): string[] {
  return ring.keys.map((ringKey) =>
    idFromRequestKey(ringKey, key, binding.purpose, binding.subject),
  );
}
