/** What the confirmations' upkeep does for the queue of messages, whose room is above this one. */
export interface DeliveryUpkeep {
  /** Deletes up to `limit` messages that failed before `before` (epoch ms). @returns whether there may be more. */
  purge(before: number, limit: number): Promise<boolean>;
}

/** Injects the `DeliveryUpkeep`; `null` where messages are not queued. */
export const DELIVERY_UPKEEP = Symbol('DeliveryUpkeep');
