import type { EntityManager } from 'typeorm';

import { parseId } from '../../crypto/index.js';
import {
  expectInput,
  inputMembers,
  TwoFactorInputError,
  type MethodName,
} from '../../errors/index.js';
import { DEVICE_METHOD, FACTORS_PURPOSE, type ResolvedOptions } from '../../options/index.js';
import { parseBinding, type StoredBinding } from './binding.js';
import { ConfirmationState, stateRow } from './confirmation-state.js';
import type { MakeConfirmationInput, SendContext } from './inputs.interface.js';
import { CODE_METHOD, parseMethods } from './methods.js';
import { canonicalJson } from './plain-json.js';
import { parseToken, parseWay } from './token.js';

/** The input of `makeConfirmation`, each member checked. */
export interface ParsedInput {
  readonly binding: StoredBinding;
  readonly manager: EntityManager | undefined;
  readonly isConfirmed: boolean;
  /** The application's own data as canonical JSON; `null` for none. */
  readonly meta: string | null;
  readonly token: string | undefined;
  readonly tokenFrom: 'client' | 'application';
  readonly way: string | undefined;
  /** The methods that may confirm it; `null` for a sent code alone. */
  readonly methods: readonly MethodName[] | null;
  readonly idempotencyKey: string | undefined;
  readonly context: SendContext | undefined;
  readonly ttlMs: number;
}

const MAKE_MEMBERS = inputMembers<MakeConfirmationInput>({
  purpose: true,
  subject: true,
  details: true,
  meta: true,
  isConfirmed: true,
  methods: true,
  token: true,
  tokenFrom: true,
  way: true,
  ttlSeconds: true,
  context: true,
  idempotencyKey: true,
  manager: true,
});
const MAX_META_BYTES = 16_384;
const MAX_CONTEXT_BYTES = 4_096;
const DEFAULT_BATCH_SIZE = 500;
const MAX_BATCH_SIZE = 1_000;
const IDEMPOTENCY_KEY = /^[\x21-\x7e]{16,128}$/;
const CONFIRMATION_TTL_SECONDS = { min: 30, max: 86_400 } as const;

/** @throws TwoFactorInputError for a member of the wrong shape, and for members that exclude each other. */
export function parseMakeInput(
  input: MakeConfirmationInput,
  options: Pick<ResolvedOptions, 'methods' | 'purposes' | 'ttlSeconds'>,
): ParsedInput {
  expectInput('makeConfirmation', input, MAKE_MEMBERS);
  const { manager, isConfirmed = false } = input;
  if (typeof isConfirmed !== 'boolean')
    throw new TwoFactorInputError('isConfirmed is true or false.');
  const binding = parseBinding(input);
  const meta = canonicalOrNull(input.meta ?? null);
  const token = input.token === undefined ? undefined : parseToken(input.token);
  const way = input.way === undefined ? undefined : parseWay(input.way);
  const methods = parseMethods(input.methods, options.methods);
  const tokenFrom = parseTokenFrom(input.tokenFrom);
  const idempotencyKey =
    input.idempotencyKey === undefined ? undefined : parseIdempotencyKey(input.idempotencyKey);
  const context = parseContext(input.context);
  assertSenderAllowed(options, binding.purpose, way, isConfirmed);
  const ttlMs = parseTtlSeconds(input.ttlSeconds, options) * 1_000;
  if (isConfirmed && (token ?? way ?? context) !== undefined) {
    throw new TwoFactorInputError(
      'A confirmation that is confirmed from the start has nothing to send. Leave token, way and context out.',
    );
  }
  const hasToken = (token ?? way ?? context) !== undefined;
  assertMethods(methods, binding, { isConfirmed, hasToken, tokenFrom });
  return {
    binding,
    manager,
    isConfirmed,
    meta,
    token,
    tokenFrom,
    way,
    methods,
    idempotencyKey,
    context,
    ttlMs,
  };
}

/** The id of a confirmation. Of a state only the id is taken, from its private row: a caller could forge other members. */
export function idOf(confirmation: unknown): string {
  return parseId(ConfirmationState.is(confirmation) ? stateRow(confirmation).id : confirmation);
}

/** How many rows one statement of a purge or of a sealing reads. @throws TwoFactorInputError for another number. */
export function parseBatchSize(batchSize = DEFAULT_BATCH_SIZE): number {
  if (Number.isInteger(batchSize) && batchSize >= 1 && batchSize <= MAX_BATCH_SIZE)
    return batchSize;
  throw new TwoFactorInputError(`batchSize is a whole number from 1 to ${MAX_BATCH_SIZE}.`);
}

export function parseIdempotencyKey(key: unknown): string {
  if (typeof key === 'string' && key.length <= 128 && IDEMPOTENCY_KEY.test(key)) return key;
  throw new TwoFactorInputError(
    'An idempotencyKey is a string of 16 to 128 printable ASCII characters without spaces.',
  );
}

/** A copy of the sender's context as a plain object, so that no caller can change it later. */
export function parseContext(context: unknown): SendContext | undefined {
  if (context === undefined) return undefined;
  if (typeof context !== 'object' || context === null || Array.isArray(context)) {
    throw new TwoFactorInputError('A context is an object of plain JSON.');
  }
  return JSON.parse(canonicalJson('context', context, MAX_CONTEXT_BYTES)) as SendContext;
}

/** The canonical JSON of `meta`; `null` for none. */
export function canonicalOrNull(meta: unknown): string | null {
  return meta === null ? null : canonicalJson('meta', meta, MAX_META_BYTES);
}

/** Refuses to create a confirmation that could never become a proof, because its purpose accepts only certain senders and not this one. */
function assertSenderAllowed(
  { purposes }: Pick<ResolvedOptions, 'purposes'>,
  purpose: string,
  way: string | undefined,
  isConfirmed: boolean,
): void {
  const allowed = purposes.get(purpose)?.senders;
  if (allowed === undefined) return;
  if (isConfirmed) {
    throw new TwoFactorInputError(
      `The purpose "${purpose}" is confirmed by the ways ${allowed.join(', ')} alone, and what is confirmed from the ` +
        'start came by none. Leave senders out of the purpose.',
    );
  }
  if (way === undefined || allowed.includes(way)) return;
  throw new TwoFactorInputError(
    `The purpose "${purpose}" is confirmed by one of the ways ${allowed.join(', ')}.`,
  );
}

/** Refuses methods that could never confirm, or that nothing could be sent for. */
function assertMethods(
  methods: readonly MethodName[] | null,
  { subject, purpose }: StoredBinding,
  {
    isConfirmed,
    hasToken,
    tokenFrom,
  }: Pick<ParsedInput, 'isConfirmed' | 'tokenFrom'> & { readonly hasToken: boolean },
): void {
  if (methods === null) return;
  if (isConfirmed) {
    throw new TwoFactorInputError(
      'A confirmation that is confirmed from the start has no methods. Leave methods out.',
    );
  }
  if (purpose === FACTORS_PURPOSE && methods.includes(DEVICE_METHOD)) {
    throw new TwoFactorInputError(
      `A remembered device never confirms a change of the factors. Leave ${DEVICE_METHOD} out of methods.`,
    );
  }
  assertSubjectMethods(methods, subject, tokenFrom);
  if (!methods.includes(CODE_METHOD) && hasToken) {
    throw new TwoFactorInputError(
      `The methods ${methods.join(', ')} send nothing. Leave token, way and context out, or add 'code' to methods.`,
    );
  }
}

/**
 * Refuses methods beside codes for a confirmation that they could not confirm, or that they would not prove anything for.
 *
 * @throws TwoFactorInputError without a subject, and for a phone number or address that the client names.
 */
export function assertSubjectMethods(
  methods: readonly MethodName[],
  subject: string,
  tokenFrom: ParsedInput['tokenFrom'],
): void {
  if (methods.every((method) => method === CODE_METHOD)) return;
  if (subject === '') {
    throw new TwoFactorInputError(
      `The methods ${methods.join(', ')} need a subject, whose factors they ask. Give one, or leave methods out.`,
    );
  }
  // A message that follows another method would be counted as one to a recipient of the application.
  if (tokenFrom === 'client') {
    throw new TwoFactorInputError(
      "With tokenFrom: 'client' a request proves a token that the client names, and only a code that is sent there does that. " +
        'Leave methods out, or give a token of your own and leave tokenFrom out.',
    );
  }
}

/** @throws TwoFactorInputError for anything but the two names. */
export function parseTokenFrom(tokenFrom: unknown): 'client' | 'application' {
  if (tokenFrom === undefined || tokenFrom === 'application') return 'application';
  if (tokenFrom === 'client') return tokenFrom;
  throw new TwoFactorInputError("tokenFrom is 'client' or 'application'.");
}

function parseTtlSeconds(
  ttlSeconds: number | undefined,
  options: Pick<ResolvedOptions, 'ttlSeconds'>,
): number {
  if (ttlSeconds === undefined) return options.ttlSeconds;
  const { min, max } = CONFIRMATION_TTL_SECONDS;
  if (Number.isInteger(ttlSeconds) && ttlSeconds >= min && ttlSeconds <= max) return ttlSeconds;
  throw new TwoFactorInputError(`ttlSeconds is a whole number from ${min} to ${max}.`);
}
