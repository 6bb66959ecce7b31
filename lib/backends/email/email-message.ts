/** The content of one message. The code belongs into text and HTML, never into the subject, because lock screens show it. */
export interface EmailMessage {
  readonly subject: string;
  readonly text: string;
  readonly html?: string | undefined;
  /** Further headers, such as `List-Id`: one line each, and none that says who sends, who receives or what the content is. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}
