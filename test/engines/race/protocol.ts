import type { DataSourceOptions } from 'typeorm';

/** What the applications of a process are, each with one connection of its own. */
export interface Opening {
  readonly dataSource: DataSourceOptions;
  readonly applications: number;
  /** Said on each connection before anything else. */
  readonly session: readonly string[];
  /** Asked on each connection at both ends: a cell must not be called SERIALIZABLE and run at something else. */
  readonly proof: { readonly sql: string; readonly answer: string };
  /** Whether the failure budget is on. */
  readonly limits: boolean;
}

export type Verb =
  'use' | 'use-with-effect' | 'confirm' | 'resend' | 'cancel' | 'purge' | 'request';

/** One call of one application. */
export interface Call {
  readonly verb: Verb;
  /** The confirmation; of a `request` the token. */
  readonly id: string;
  /** Find, check, save instead of the package. */
  readonly isNaive: boolean;
  /** Of a `confirm`: whether with the right code. */
  readonly isRight?: boolean;
  /** Of a naive `confirm`: the budget that it is charged to. */
  readonly budget?: string;
  /** Of a `cancel`: how many round trips to the database come first. */
  readonly after?: number;
}

/** What one application does, one call after the other. */
export interface Chain {
  readonly application: number;
  readonly calls: readonly Call[];
}

/** What one process does at once. */
export interface Job {
  readonly chains: readonly Chain[];
  /** The right codes by confirmation. */
  readonly codes: Readonly<Record<string, string>>;
  /** How far the clock of this process is ahead of the machine's. */
  readonly aheadMs: number;
}

export type Outcome =
  /** `left` and `status` are those of the state that came with the answer; `count` is what a purge says. */
  | { kind: 'done'; done: boolean; left?: number; status?: string; count?: number }
  /** An error that the package promises for this: its code. */
  | { kind: 'refused'; code: string }
  /** The caller's transaction lost a race and was rolled back. */
  | { kind: 'conflict' }
  | { kind: 'error'; what: string };

/** One call and what came of it: a line of the history. */
export interface Answer {
  readonly call: Call;
  readonly process: number;
  /** Microseconds of a clock that all processes of the machine share. */
  readonly startedAt: number;
  readonly endedAt: number;
  readonly outcome: Outcome;
}

export type ToWorker =
  | { readonly type: 'open'; readonly opening: Opening }
  | { readonly type: 'prepare'; readonly job: Job }
  | { readonly type: 'go' }
  | { readonly type: 'close' };

export type FromWorker =
  | { readonly type: 'opened' | 'ready' | 'closed' }
  /** `comparisons` are those that naive calls made by themselves. */
  | { readonly type: 'done'; readonly answers: readonly Answer[]; readonly comparisons: number }
  | { readonly type: 'failed'; readonly what: string };
