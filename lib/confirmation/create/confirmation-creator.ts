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
  TwoFactorInputError,
} from '../../errors/index.js';
import { QuotaLedger, type QuotaReceipt } from '../../limits/index.js';
import type { ResolvedOptions } from '../../options/index.js';
import { InjectTwoFactorOptions } from '../../two-factor.tokens.js';
import { ConfirmationStates } from '../confirmation-states.js';
import { EventPublisher } from '../event-publisher.js';
import type { StoredBinding } from '../model/binding.js';
import { matchesBinding } from '../model/binding-match.js';
import type { ConfirmationRow } from '../model/confirmation-record.entity.js';
import { openContent, type ConfirmationState } from '../model/confirmation-state.js';
import type { MakeConfirmationInput } from '../model/inputs.interface.js';
import { canonicalOrNull, parseMakeInput, type ParsedInput } from '../model/parse-input.js';
import {
  CONFIRMATION_WRITER,
  type ConfirmationWriter,
  type Creation,
  type CreationRequest,
} from '../store/confirmation-writer.js';
import { ConfirmationStore } from '../store/confirmation.store.js';
import { rowAfterInsert, type NewConfirmation } from '../store/row-mapping.js';
import { newRow } from './new-row.js';

/** The message that a request sends with a new confirmation. */
export interface InitialMessage {
  readonly way: string;
  readonly requester: string | undefined;
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
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {}

  /**
   * Creates a confirmation and consumes its first message with it. The message is also recorded as sent, unless there is an
   * idempotency key: a caller that lost the answer repeats the request, and must then find out that nothing was sent.
   */
  async create(
    input: MakeConfirmationInput,
    message?: InitialMessage,
  ): Promise<CreatedConfirmation> {
    const parsed = parseMakeInput(input, this.options);
    const code = parsed.isConfirmed ? null : await this.drawCode();
    // A caller's transaction has a time limit of its own, and no call may use it after that caller was answered.
    return parsed.manager === undefined
      ? this.store.within((deadline) => this.#create(deadline, parsed, code, message))
      : this.#create(undefined, parsed, code, message);
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
    message: InitialMessage | undefined,
  ): Promise<CreatedConfirmation> {
    const { binding, manager, token, tokenFrom, ttlMs, idempotencyKey } = parsed;
    const keyIds =
      idempotencyKey === undefined
        ? []
        : idsFromRequestKey(this.options.keyRing, idempotencyKey, binding);
    const isToBeSent = message !== undefined && idempotencyKey === undefined;
    const hasSlot = code !== null && manager === undefined && message === undefined;
    const context = { code, id: keyIds[0], isToBeSent, hasSlot };
    const { row, content } = newRow(parsed, context, this.options);
    const { id, purpose, subject } = row;
    const opens = { id, ttlMs };
    const scope = { token: token ?? null, tokenFrom, subject, purpose, hasSlot };
    const demand = { ...scope, opens, sends: message };
    const creation = await this.#write({
      row,
      demand: code === null ? null : demand,
      keyIds,
      manager,
      deadline,
    });
    if (creation.outcome === 'invisible') throw invisibleError();
    if (creation.outcome === 'repeated') return this.#replay(row, binding, token, creation.row);
    const { receipt } = creation;
    // The caller was refused meanwhile, and no other call can know a drawn id. A request with a key will be repeated.
    if (deadline?.expired && keyIds.length === 0 && receipt) await this.ledger.refund(receipt);
    this.publisher.created(row, demand, manager);
    const state = this.states.stateOf(rowAfterInsert(row));
    return { state, pendingMessage: isToBeSent ? content : null, receipt };
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
    const isSame =
      matchesBinding(this.options.keyRing, found, binding) &&
      (found.codeMac === null) === (attempted.codeMac === null) &&
      found.expiresAt - found.createdAt === attempted.expiresAt - attempted.createdAt &&
      canonicalOrNull(found.meta) === attempted.meta &&
      (attempted.way === '' || found.way === '' || found.way === attempted.way) &&
      (token === undefined || madeFor === undefined || madeFor === token);
    if (isSame) return { state, pendingMessage: null, receipt: null };
    throw new TwoFactorInputError(
      'The idempotencyKey stands for another request. Draw a new one for each request.',
    );
  }
}

function invisibleError(): TwoFactorConflictError {
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
