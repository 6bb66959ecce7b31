import { setTimeout } from 'node:timers/promises';

import { expect } from 'vitest';

export const PASSWORD = 'correct horse battery';
export const TWO_FACTOR = '/api/v1/auth/2factor';
export const TEN_FIFTY: TransferBody = { amount: '10.50', payee: 'bob@bank.example' };

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface TransferBody {
  readonly amount: string;
  readonly payee: string;
}

export interface InboxMessage {
  readonly kind: 'email' | 'sms';
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

/** All codes that were read, to look for them in what was printed. */
export const codes = new Set<string>();

export function codeIn(text: string): string {
  const code = /\b\d{6}\b/.exec(text)?.[0];
  if (code === undefined) throw new Error('There is no code in the message.');
  codes.add(code);
  return code;
}

export function expectStatus({ status, body }: Answer, expected: number): void {
  expect({ status, body }).toMatchObject({ status: expected });
}

/** Waits until no message of an application in development waits for its provider. */
export async function untilAllDelivered(url: string): Promise<void> {
  const ends = Date.now() + 60_000;
  while (Date.now() < ends) {
    const response = await fetch(`${url}/deliveries/list`);
    const { deliveries } = (await response.json()) as { deliveries: { status: string }[] };
    if (deliveries.every(({ status }) => status !== 'waiting')) return;
    await setTimeout(20);
  }
  throw new Error('A message still waits.');
}

/** A customer without a browser: it sends what the page would send and keeps the cookies. */
export class Customer {
  readonly cookies = new Map<string, string>();

  constructor(
    readonly url: string,
    readonly email: string,
    public password = PASSWORD,
    /** Sent with every request. */
    readonly headers: Readonly<Record<string, string>> = {},
  ) {}

  async call(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    const response = await fetch(new URL(path, this.url), {
      method,
      headers: {
        cookie: [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; '),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...this.headers,
        ...headers,
      },
      body: body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body),
    });
    for (const cookie of response.headers.getSetCookie()) this.#keep(cookie);
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') ?? false;
    const { status, headers: answered } = response;
    return { status, headers: answered, body: isJson ? JSON.parse(text) : {} };
  }

  /** A thief's browser with a copy of every cookie. */
  stolen(): Customer {
    const thief = new Customer(this.url, this.email, this.password, this.headers);
    for (const [name, value] of this.cookies) thief.cookies.set(name, value);
    return thief;
  }

  /** The messages to an address, newest first. */
  async messages(to: string): Promise<InboxMessage[]> {
    const { body } = await this.call('GET', '/inbox/messages');
    return (body as unknown as InboxMessage[]).filter((message) => message.to === to);
  }

  /** The code of the last message with a code to an address. */
  async code(to: string): Promise<string> {
    const messages = await this.messages(to);
    return codeIn(messages.find(({ text }) => /\b\d{6}\b/.test(text))?.text ?? '');
  }

  /** Asks for a confirmation, and waits until its message, which leaves after the answer, was sent or given up. */
  async request(body: Readonly<Record<string, unknown>>): Promise<Answer> {
    const answer = await this.call('POST', `${TWO_FACTOR}/request-confirmation`, body);
    const { id, delivery } = answer.body;
    if (delivery === 'queued') await this.untilDelivered(id);
    return answer;
  }

  /** @returns what became of the newest message of a confirmation. */
  async untilDelivered(id: unknown): Promise<unknown> {
    const ends = Date.now() + 60_000;
    while (Date.now() < ends) {
      const { body } = await this.call('POST', `${TWO_FACTOR}/check`, { id });
      if (body['delivery'] !== 'queued') return body['delivery'];
      await setTimeout(10);
    }
    throw new Error('The message still waits.');
  }

  /** Asks the bundled controller for a code and confirms it. @returns the id of the proof. */
  async prove(body: Readonly<Record<string, unknown>>, to: string): Promise<string> {
    const sent = await this.request(body);
    expectStatus(sent, 200);
    const id = String(sent.body['id']);
    const code = await this.code(to);
    expectStatus(await this.call('POST', `${TWO_FACTOR}/confirm`, { id, code }), 200);
    return id;
  }

  /** A call of a guarded route. */
  with(method: string, path: string, body: unknown, confirmationId: string): Promise<Answer> {
    return this.call(method, path, body, { 'x-confirmation-id': confirmationId });
  }

  async signUp(): Promise<this> {
    const { email, password } = this;
    const confirmationId = await this.proveAddress();
    const body = { email, password, confirmationId };
    expectStatus(await this.call('POST', '/api/v1/accounts', body), 204);
    return this;
  }

  proveAddress(): Promise<string> {
    const { email } = this;
    return this.prove({ purpose: 'sign-up', way: 'email', token: email }, email);
  }

  /** The first step of a sign-in. */
  givePassword(password = this.password): Promise<Answer> {
    return this.call('POST', '/api/v1/sign-in', { email: this.email, password });
  }

  async signIn(): Promise<this> {
    expectStatus(await this.givePassword(), 204);
    const id = await this.prove({ purpose: 'login', way: 'email' }, this.email);
    expectStatus(await this.with('POST', '/api/v1/sessions', {}, id), 204);
    return this;
  }

  proveTransfer(details: TransferBody): Promise<string> {
    return this.prove({ purpose: 'transfer', way: 'email', details }, this.email);
  }

  transfer(body: unknown, confirmationId: string): Promise<Answer> {
    return this.with('POST', '/api/v1/transfers', body, confirmationId);
  }

  /** Both proofs for a new number: the owner's agreement, and the number itself. */
  async provePhone(phone: string): Promise<{ agreed: string; held: string }> {
    const details = { phone };
    return {
      agreed: await this.prove({ purpose: 'change-phone', way: 'email', details }, this.email),
      held: await this.prove({ purpose: 'new-phone', way: 'sms', token: phone }, phone),
    };
  }

  async changePhone(phone: string): Promise<void> {
    const { agreed, held } = await this.provePhone(phone);
    const body = { phone, password: this.password, phoneConfirmationId: held };
    expectStatus(await this.with('PUT', '/api/v1/me/phone', body, agreed), 204);
  }

  async isSignedIn(): Promise<boolean> {
    return (await this.call('GET', '/api/v1/me')).status === 200;
  }

  async balance(): Promise<unknown> {
    return (await this.call('GET', '/api/v1/me')).body['balance'];
  }

  async transfers(): Promise<unknown[]> {
    return (await this.call('GET', '/api/v1/transfers')).body as unknown as unknown[];
  }

  #keep(cookie: string): void {
    const [name = '', value = ''] = cookie.split(';')[0]!.split('=');
    if (value === '') this.cookies.delete(name);
    else this.cookies.set(name, value);
  }
}
