import { Injectable } from '@nestjs/common';

import { assertMethodList, CODE_METHOD } from '../confirmation/index.js';
import { TwoFactorNoMethodError, TwoFactorStateError, type MethodName } from '../errors/index.js';
import { FactorService } from '../methods/index.js';
import type { ResolvedOptions } from '../options/index.js';
import { InjectTwoFactorOptions } from '../two-factor.tokens.js';

/** The subject of a new confirmation, and the methods that may confirm it. */
export interface MethodDemand {
  readonly subject: string;
  /**
   * The allowed methods in order of preference, or a function that returns them for the methods that the subject has enrolled.
   */
  readonly allowed:
    | readonly MethodName[]
    | ((enrolled: readonly MethodName[]) => readonly MethodName[] | Promise<readonly MethodName[]>);
  /** The method that the client names; `undefined` for the first one that the subject can use. */
  readonly asked: string | undefined;
  /** The token of the remembered device that the caller uses, from its cookie; absent for none. */
  readonly deviceToken?: string | undefined;
  /** Whether the request has a recipient, so that a code can be sent. */
  readonly canSend: boolean;
}

/** The methods of a new confirmation. */
export interface MethodChoice {
  /** The method that the client is asked for first. A message is sent for `code` alone. */
  readonly method: MethodName;
  /** The allowed methods that the subject can use now. */
  readonly usable: readonly MethodName[];
  /** The methods that the confirmation will allow, whether the subject has enrolled them or not. */
  readonly methods: readonly MethodName[];
  /**
   * Whether the client named a method whose responses cannot be guessed, such as a passkey. The confirmation then allows no other
   * method, and needs neither a code nor a limit of failures.
   */
  readonly isNarrowed: boolean;
}

/** The methods that a subject has enrolled, and those that may confirm. */
export interface AllowedMethods {
  /** The methods beside codes that the subject can use now. */
  readonly enrolled: readonly MethodName[];
  readonly methods: readonly MethodName[];
}

/** Chooses the methods of a new confirmation: those that are allowed, and that its subject has enrolled. */
@Injectable()
export class MethodChooser {
  constructor(
    private readonly factors: FactorService,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {}

  /**
   * @throws TwoFactorNoMethodError when the subject can use none of the allowed methods: that never means that no proof is
   * needed.
   * @throws TwoFactorStateError `method-not-allowed` for a named method that is not allowed, or that the subject lacks.
   */
  async choose(demand: MethodDemand): Promise<MethodChoice> {
    const { asked } = demand;
    const { enrolled, methods } = await this.allowedMethods(demand);
    const usable = methods.filter((name) => name === CODE_METHOD || enrolled.includes(name));
    const [first] = usable;
    if (first === undefined) {
      throw new TwoFactorNoMethodError(
        'The subject has none of the methods that are allowed here. Let the person enrol one, or allow code.',
      );
    }
    if (asked === undefined) return { method: first, usable, methods, isNarrowed: false };
    const method = usable.find((name) => name === asked);
    if (method === undefined) throw new TwoFactorStateError('method-not-allowed');
    // A method that cannot be guessed needs neither a code nor a lock. Named, it is the only one.
    const isNarrowed = !this.#isGuessable(method);
    return { method, usable, methods: isNarrowed ? [method] : methods, isNarrowed };
  }

  /** What a subject has, and the allowed methods in order of preference, those that it lacks too. */
  async allowedMethods({
    subject,
    allowed,
    canSend,
    deviceToken,
  }: Omit<MethodDemand, 'asked'>): Promise<AllowedMethods> {
    const enrolled =
      this.options.methods.size === 0 ? [] : await this.factors.enrolled(subject, deviceToken);
    const listed = typeof allowed === 'function' ? await allowed(enrolled) : allowed;
    assertMethodList(listed, this.options.methods);
    return { enrolled, methods: canSend ? listed : listed.filter((name) => name !== CODE_METHOD) };
  }

  /** The methods of a choice that no lock stops. */
  neverLockedMethods({ usable }: MethodChoice): readonly MethodName[] {
    return usable.filter((name) => !this.#isGuessable(name));
  }

  #isGuessable(method: MethodName): boolean {
    return this.options.methods.get(method)?.isGuessable ?? true;
  }
}
