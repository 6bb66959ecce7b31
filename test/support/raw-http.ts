import { request, type Agent, type OutgoingHttpHeaders } from 'node:http';

import type { Answer } from './http.js';

/** A request with the methods, paths and headers that `fetch` forbids and `node:http` sends, such as `TRACE` or `Host`. */
export interface RawRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
  readonly body?: string | Buffer | undefined;
}

/** What came back; status 0 for a connection that the server closed instead of answering. */
export async function rawCall(port: number, raw: RawRequest, agent?: Agent): Promise<Answer> {
  const { body = '', ...rest } = raw;
  const headers = { 'content-length': Buffer.byteLength(body), ...raw.headers };
  return new Promise((resolve, reject) => {
    const call = request({
      host: '127.0.0.1',
      port,
      ...rest,
      headers,
      agent: agent ?? false,
    });
    call.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        resolve({
          status: response.statusCode ?? 0,
          headers: Object.fromEntries(
            Object.entries(response.headers).map(([name, value]) => [name, String(value)]),
          ),
          text,
          body: parsed(text),
        });
      });
    });
    call.on('error', (error: NodeJS.ErrnoException) => {
      // The server may hang up on what is no HTTP; anything else is a fault of this test.
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error);
      // A kept connection may be closed for the request before: ask again on one of its own.
      else if (agent) resolve(rawCall(port, raw));
      else resolve({ status: 0, headers: {}, text: '', body: '' });
    });
    call.end(body);
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** The port an application listens on. */
export function portOf(server: unknown): number {
  return (server as { address(): { port: number } }).address().port;
}
