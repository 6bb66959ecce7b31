export interface UseValues {
  readonly id: string;
  readonly purpose: string;
  readonly subject: string;
  /** One candidate for each key of the ring. */
  readonly detailsMacs: readonly string[];
  readonly useKey: string | null;
  /** The senders by one of which the code must have gone out; `null` for any. */
  readonly ways: readonly string[] | null;
  /** The methods one of which must have confirmed it; `null` for any. */
  readonly confirmedBy: readonly string[] | null;
  /** The methods that send nothing, and so may have confirmed it although `ways` restricts the senders. */
  readonly methodsWithoutSender: readonly string[];
}

export interface BindValues {
  readonly way: string;
  readonly envelope: string;
  readonly codeMac: string;
  readonly failureKeys: string | null;
  readonly maxSends: number;
  /** How long ago the last message must have gone out; 0 for a message that need not wait. */
  readonly cooldownMs: number;
}
