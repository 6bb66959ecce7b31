import type { SNSClientConfig } from '@aws-sdk/client-sns';

import { SendFailure } from '../../sender/index.js';
import { exchange } from '../provider/exchange.js';

type Handler = Extract<
  NonNullable<SNSClientConfig['requestHandler']>,
  { handle(...given: never[]): unknown }
>;
type Request = Parameters<Handler['handle']>[0];
type Answer = Awaited<ReturnType<Handler['handle']>>;

/**
 * Sends what the SDK has signed by the client that all providers share: the SDK's own would read an answer of any length, and
 * would tell a refused certificate from a lost connection by no name.
 */
export class FetchHandler {
  constructor(private readonly timeoutMs: number) {}

  readonly handle = async (
    { protocol, hostname, port, path, method, headers, body }: Request,
    { abortSignal }: { readonly abortSignal?: unknown } = {},
  ): Promise<Answer> => {
    const origin = `${protocol}//${hostname}${port === undefined ? '' : `:${port}`}`;
    // `fetch` computes both itself, and refuses a length that is given.
    const { host: _, 'content-length': __, ...sent } = headers;
    const answer = await exchange(
      { url: `${origin}${path}`, method, headers: sent, body: body as string },
      this.timeoutMs,
      abortSignal instanceof AbortSignal ? abortSignal : new AbortController().signal,
    );
    if (answer.text === null) {
      throw new SendFailure('transient', `HTTP ${answer.status}, with an answer above 64 kB`, {
        mayHaveArrived: true,
      });
    }
    const response = {
      statusCode: answer.status,
      headers: Object.fromEntries(answer.headers),
      body: Buffer.from(answer.text),
    };
    return { response };
  };

  updateHttpClientConfig(): void {}

  httpHandlerConfigs(): object {
    return {};
  }

  destroy(): void {}
}
