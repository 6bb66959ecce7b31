/** Sends text messages. Provide a class of your own that calls a gateway; without one there are no phone numbers. */
export abstract class TextMessages {
  abstract send(to: string, text: string): Promise<void>;
}
