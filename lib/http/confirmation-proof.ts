import type { ExecutionContext } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import type { CheckInput, ConfirmationState, ConfirmerService } from '../confirmation/index.js';
import { TwoFactorConfigurationError, TwoFactorConfirmationUsedError } from '../errors/index.js';
import { forTransport } from './two-factor-http.exception.js';

/**
 * The proof that a guarded route was called with, for its handler to spend.
 *
 * @publicApi
 */
export class ConfirmationProof {
  #isUsed = false;
  readonly #confirmer: ConfirmerService;
  readonly #binding: CheckInput;
  readonly #context: ExecutionContext;

  /** @internal */
  constructor(
    /** The confirmation as the guard found it: confirmed, and for this purpose, subject and details. */
    readonly state: ConfirmationState,
    binding: CheckInput,
    confirmer: ConfirmerService,
    context: ExecutionContext,
  ) {
    this.#binding = binding;
    this.#confirmer = confirmer;
    this.#context = context;
  }

  get id(): string {
    return this.state.id;
  }

  /** Whether `use` succeeded; in a transaction: unless that is rolled back. */
  get isUsed(): boolean {
    return this.#isUsed;
  }

  /**
   * Spends the proof, with `manager` in its transaction. Ends only when this call spent it, so that nothing happens
   * without.
   *
   * @throws TwoFactorConfirmationUsedError (over HTTP: 409) when somebody else was faster, or it is too late.
   * @throws TwoFactorConflictError (over HTTP: 409) when the transaction lost a race.
   */
  async use({ manager }: { readonly manager?: EntityManager | undefined } = {}): Promise<void> {
    try {
      if (!(await this.#confirmer.use(this.state, { ...this.#binding, manager }))) {
        throw new TwoFactorConfirmationUsedError(
          'The proof was spent by another call, or is too old by now.',
        );
      }
    } catch (error) {
      throw forTransport(error, this.#context);
    }
    this.#isUsed = true;
  }
}

/** By call and handler: two gateways that listen to one message are handed the same data. */
const proofs = new WeakMap<object, Map<unknown, ConfirmationProof>>();

/**
 * What stands for one call: the request over HTTP; elsewhere the second argument (the arguments of a GraphQL field, the
 * data of a WebSocket message, the context of an RPC), since the first may be shared by many calls.
 */
function callOf(context: ExecutionContext): object | undefined {
  const call: unknown = context.getArgByIndex(context.getType() === 'http' ? 0 : 1);
  return typeof call === 'object' && call !== null ? call : undefined;
}

export function keepProof(context: ExecutionContext, proof: ConfirmationProof): void {
  const call = callOf(context);
  if (call === undefined) {
    throw new TwoFactorConfigurationError(
      `A call over ${context.getType()} without an object as its second argument cannot carry a proof. Use useIn: 'guard'.`,
    );
  }
  const ofCall = proofs.get(call) ?? new Map<unknown, ConfirmationProof>();
  proofs.set(call, ofCall.set(context.getHandler(), proof));
}

export function proofOf(context: ExecutionContext): ConfirmationProof | undefined {
  const call = callOf(context);
  return call && proofs.get(call)?.get(context.getHandler());
}
