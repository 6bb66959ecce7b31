/** One table of the reference of the options. */
export interface OptionsTable {
  /** The entry that exports it, such as `nestjs-two-factor/phone`. */
  readonly entry: string;
  readonly name: string;
  readonly text: string;
  readonly rows: readonly {
    readonly name: string;
    readonly text: string;
    readonly default: string | undefined;
    readonly isOptional: boolean;
    readonly variable: string | undefined;
  }[];
}

/** A slug, and how HTTP answers it. */
export interface Slug {
  readonly code: string;
  readonly status?: number;
  readonly title?: string;
}

export interface Errors {
  readonly classes: readonly {
    readonly name: string;
    readonly text: string;
    readonly codes: readonly Slug[];
    readonly facts: readonly { readonly name: string; readonly text: string }[];
  }[];
  /** Slugs without a class. */
  readonly others: readonly Slug[];
}

/** What the reference shows of the source. `gaps` names what has no documentation. */
export interface Source {
  readonly gaps: readonly string[];
  readonly entries: readonly {
    readonly name: string;
    readonly file: string;
    readonly exports: readonly string[];
  }[];
  readonly options: readonly OptionsTable[];
  readonly errors: Errors;
}

export const ROOT: string;
export function readSource(overlay?: Readonly<Record<string, string>>): Source;
