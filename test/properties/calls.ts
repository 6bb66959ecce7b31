import type { FailureScope, JsonValue, SendContext } from '../../lib/index.js';
import type { Failure } from './world.js';

/** What a proof is for, as callers write it. */
export interface Binding {
  readonly purpose?: string | undefined;
  readonly subject?: string | undefined;
  readonly details?: JsonValue | undefined;
}

/** Which confirmation is meant: the n-th that was made, by its id or by the state that was held on to. */
export interface Target {
  /** Below zero: an id that was never made. */
  readonly ref: number;
  readonly by: 'id' | 'state';
}

/** One thing to do, without any id or code in it, so that a failing run can be printed. */
export type Call =
  | {
      readonly op: 'make';
      readonly binding: Binding;
      readonly token?: string | undefined;
      readonly tokenFrom?: 'client' | undefined;
      readonly way?: string | undefined;
      readonly isConfirmed?: boolean | undefined;
      readonly ttlSeconds?: number | undefined;
      readonly meta?: JsonValue | undefined;
      readonly context?: SendContext | undefined;
      readonly key?: string | undefined;
      readonly transaction?: 'commit' | 'rollback' | undefined;
    }
  | {
      readonly op: 'request';
      readonly binding: Binding;
      readonly token: string;
      readonly tokenFrom?: 'client' | undefined;
      readonly way?: string | undefined;
      readonly ttlSeconds?: number | undefined;
      readonly meta?: JsonValue | undefined;
      readonly context?: SendContext | undefined;
      readonly key?: string | undefined;
      readonly requester?: string | undefined;
      readonly failure: Failure;
    }
  | {
      readonly op: 'send';
      readonly target: Target;
      readonly name: string | null;
      readonly token: string;
      readonly requester?: string | undefined;
      readonly context?: SendContext | undefined;
      readonly failure: Failure;
    }
  | {
      readonly op: 'resend';
      readonly target: Target;
      readonly requester?: string | undefined;
      readonly failure: Failure;
    }
  | { readonly op: 'confirm'; readonly target: Target; readonly code: CodeChoice }
  | { readonly op: 'confirmByHand'; readonly target: Target }
  | {
      readonly op: 'use';
      readonly target: Target;
      readonly binding: BindingChoice;
      readonly key?: string | undefined;
      readonly transaction?: 'commit' | 'rollback' | undefined;
    }
  | { readonly op: 'cancel'; readonly target: Target }
  | {
      readonly op: 'check';
      readonly target: Target;
      readonly binding?: BindingChoice | undefined;
    }
  | { readonly op: 'erase'; readonly subject: string }
  | { readonly op: 'purge'; readonly olderThan: 'default' | 'now' | 'later' }
  | { readonly op: 'advance'; readonly to: Moment }
  | { readonly op: 'reset' | 'failures'; readonly scope: FailureScope }
  | { readonly op: 'rotateKey' }
  | { readonly op: 'dropKey' }
  | { readonly op: 'restart' };

/** Which code is typed. `other`: that of another confirmation; `old`: one before a rotation. */
export type CodeChoice = 'right' | 'decorated' | 'old' | 'wrong' | 'other' | 'malformed';

/** The binding that a call gives: the one that the proof was made for, with or without one member changed. */
export type BindingChoice = 'same' | 'reordered' | 'purpose' | 'subject' | 'details' | 'none';

export type Moment =
  | { readonly ms: number }
  | {
      readonly ref: number;
      readonly limit: 'expiresAt' | 'useBefore' | 'resendAt';
      /** Milliseconds before or after it. */
      readonly offset: -1 | 0 | 1;
    };
