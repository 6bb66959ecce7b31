import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { listen } from '../support/listen.js';
import { load, readPage, writePage } from '../support/snippets.js';
import { startApp, type TestApp } from '../support/test-app.js';

const page = await readPage('docs/guides/double-clicks-and-reloads.md');

interface Asked {
  readonly id: string;
}

interface CodeRequests {
  request(body: object): Promise<Asked>;
  resend(id: string): Promise<Asked>;
  forget(body: object): void;
}

/** What a tab keeps over reloads. */
class Tab {
  readonly #items = new Map<string, string>();
  getItem = (name: string): string | null => this.#items.get(name) ?? null;
  setItem = (name: string, value: string): void => void this.#items.set(name, value);
  removeItem = (name: string): void => void this.#items.delete(name);
}

let test: TestApp;
let openPage: (tab: Tab) => CodeRequests;

beforeAll(() => writePage(page));
beforeEach(async () => {
  test = await startApp({ options: { controller: true } });
  const url = `${await listen(test.app)}/2factor`;
  const { CodeRequests: Client } = await load<{
    CodeRequests: new (url: string, tab: Tab) => CodeRequests;
  }>(page, 'code-requests.ts');
  openPage = (tab) => new Client(url, tab);
});
afterEach(() => test?.close());

const body = { token: 'ann@example.com' };

describe('Double clicks and reloads', () => {
  it('makes one confirmation of a double click and a reload, and another one in a second tab', async () => {
    const tab = new Tab();
    const client = openPage(tab);
    const [first, second] = await Promise.all([client.request(body), client.request(body)]);
    const reloaded = await openPage(tab).request(body);
    expect([second.id, reloaded.id]).toEqual([first.id, first.id]);
    expect(test.inbox.deliveries).toHaveLength(1);

    expect((await openPage(new Tab()).request(body)).id).not.toBe(first.id);
    expect((await client.request({ token: 'bob@example.com' })).id).not.toBe(first.id);
    client.forget(body);
    expect((await client.request(body)).id).not.toBe(first.id);
    expect(test.inbox.deliveries).toHaveLength(4);
  });

  it('asks for a new code when that of an earlier visit has expired', async () => {
    const tab = new Tab();
    const first = await openPage(tab).request(body);
    test.clock.advance(601);
    const second = await openPage(tab).request(body);
    expect(second.id).not.toBe(first.id);
    expect((await openPage(tab).request(body)).id).toBe(second.id);
  });

  it('sends one message for a double click on "send again", and one for the next click', async () => {
    const client = openPage(new Tab());
    const { id } = await client.request(body);
    test.clock.advance(31);
    await Promise.all([client.resend(id), client.resend(id)]);
    expect(test.inbox.deliveries).toHaveLength(2);
    test.clock.advance(61);
    await client.resend(id);
    expect(test.inbox.deliveries).toHaveLength(3);
    await expect(client.resend(id)).rejects.toThrow('too-many-requests');
  });
});
