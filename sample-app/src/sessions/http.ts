/** As much of Express as this application touches. */
export interface HttpRequest {
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body?: unknown;
}

export interface HttpResponse {
  setHeader(name: string, value: string): unknown;
}
