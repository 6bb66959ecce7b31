import { TwoFactorConfigurationError, TwoFactorRecipientError } from '../../errors/index.js';
import type {
  ParsedNumber,
  DestinationRefusal,
  DestinationRules,
  ResolvedOptions,
} from '../../options/index.js';

/** The rules of the senders for phone numbers. Senders without rules send to every token. */
export class Destinations {
  readonly #rules: ReadonlyMap<string, DestinationRules>;

  constructor({ senders }: Pick<ResolvedOptions, 'senders'>) {
    this.#rules = new Map(
      Array.from(senders, ([name, { destinations }]) => [name, destinations] as const).filter(
        (entry): entry is readonly [string, DestinationRules] => entry[1] !== undefined,
      ),
    );
  }

  async prepare(): Promise<void> {
    for (const rules of this.#rules.values()) await rules.prepare?.();
  }

  /** @throws TwoFactorRecipientError for a token that this sender does not send to. */
  assertAllowed(way: string, token: string): void {
    const found = this.#find(way, token);
    if (found === null || !('refusal' in found)) return;
    throw new TwoFactorRecipientError(
      `The destinations of the sender ${way} refuse the token: ${found.refusal}.`,
    );
  }

  /** The number that a token is; `null` for a sender without rules, and for a token that it does not send to. */
  parsedNumberOf(way: string, token: string): ParsedNumber | null {
    const found = this.#find(way, token);
    return found === null || 'refusal' in found ? null : found;
  }

  #find(way: string, token: string): ParsedNumber | DestinationRefusal | null {
    const rules = this.#rules.get(way);
    if (rules === undefined) return null;
    try {
      return rules.destinationOf(token);
    } catch (error) {
      if (error instanceof TwoFactorConfigurationError) throw error;
      // The message of its error may quote the token.
      throw new TwoFactorConfigurationError(
        `The destinations of the sender ${way} threw. Let destinationOf return a destination or a refusal for every token.`,
      );
    }
  }
}
