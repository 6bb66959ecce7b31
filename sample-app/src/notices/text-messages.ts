/** A text message for a gateway. */
export interface TextMessage {
  readonly to: string;
  readonly text: string;
  /** The confirmation whose code it brings, for the log of the gateway; none for a notice. */
  readonly confirmation?: string;
  /** Ends the call in time. */
  readonly signal?: AbortSignal;
}

/** A provider of text messages. */
export interface TextGateway {
  /** Its name in the log: letters, digits and dashes. */
  readonly name: string;
  /** @throws SendFailure for a gateway that does not work, TwoFactorRecipientError for a number that it never reaches. */
  send(message: TextMessage): Promise<void>;
}

/** The gateways for text messages, the first choice first. Provide a class of your own; without one there are no phone numbers. */
export abstract class TextMessages {
  abstract readonly gateways: readonly TextGateway[];

  /** Sends by the first gateway that accepts the message. @throws what the first one threw when none does. */
  async send(message: TextMessage): Promise<void> {
    let failure: unknown;
    for (const gateway of this.gateways) {
      try {
        await gateway.send(message);
        return;
      } catch (error) {
        failure ??= error;
      }
    }
    throw failure ?? new Error('There is no gateway for text messages.');
  }
}
