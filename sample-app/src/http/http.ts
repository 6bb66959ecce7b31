/** As much of Express as this application touches. */
export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  /** The host of the request, with its port; with `trust proxy` the one that the proxy names. */
  readonly host: string;
  /** The client's address as Express sees it: it depends on `trust proxy`. */
  readonly ip?: string | undefined;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body?: unknown;
}

export interface HttpResponse {
  setHeader(name: string, value: string): unknown;
  /** Adds a value to those that the header has already. */
  append(name: string, value: string): unknown;
}
