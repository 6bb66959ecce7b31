import { afterEach, beforeAll, describe, expect, it } from 'vitest';

import { startGuide, type Guide } from '../support/guide.js';
import { readPage, writePage } from '../support/snippets.js';

const page = await readPage('docs/guides/graphql.md');
const user = { id: 'ann', phone: '+14155550123' };
let guide: Guide | undefined;

interface Answer {
  readonly data?: Readonly<Record<string, unknown>> | null;
  readonly errors?: readonly { readonly extensions: { readonly code?: string } }[];
}

interface Refused {
  readonly message: string;
  readonly path: readonly string[];
  readonly extensions: Readonly<Record<string, unknown>>;
}

const slugsOf = ({ errors }: Answer) => errors?.map(({ extensions }) => extensions.code);

beforeAll(() => writePage(page));
afterEach(() => guide?.close());

describe('GraphQL', () => {
  it('a transfer is asked for, confirmed, and made once, and no other', async () => {
    guide = await startGuide(page, { user });
    const run = async (query: string): Promise<Answer> =>
      (await guide!.post('/graphql', { query })).body as Answer;

    const asked = await run('mutation { askForTransfer(amount: "10.00", payee: "bob") }');
    const id = String(asked.data?.['askForTransfer']);
    const code = guide.lastCode();
    const transfer = (amount: string) =>
      run(`mutation { transfer(amount: "${amount}", payee: "bob", confirmation: "${id}") }`);
    expect(slugsOf(await transfer('10.00'))).toEqual(['confirmation-required']);

    user.id = 'eve';
    const stranger = await run(`mutation { confirm(id: "${id}", code: "${code}") }`);
    expect(slugsOf(stranger)).toEqual(['not-found']);
    user.id = 'ann';
    const confirmed = await run(`mutation { confirm(id: "${id}", code: "${code}") }`);
    expect(confirmed.data).toEqual({ confirm: true });

    expect(slugsOf(await transfer('10000.00'))).toEqual(['confirmation-required']);
    expect((await transfer('10.00')).data).toEqual({ transfer: 'done' });
    expect(slugsOf(await transfer('10.00'))).toEqual(['confirmation-used']);
    expect((await run('{ transfers }')).data).toEqual({ transfers: ['10.00 to bob'] });
  });

  it('answers the sixth request as the page shows, with the slug and the wait in the extensions', async () => {
    guide = await startGuide(page, { user });
    const ask = () =>
      guide!.post('/graphql', {
        query: 'mutation { askForTransfer(amount: "10.00", payee: "bob") }',
      });
    for (let n = 0; n < 5; n += 1) await ask().expect(200);

    const { body } = await ask().expect(200);
    const [, shown = ''] = /```json\n([\s\S]*?)\n```/.exec(page.text) ?? [];
    const { errors, data } = JSON.parse(shown) as { errors: [Refused]; data: null };
    const [{ message, path, extensions }] = errors;
    const { instance, retryAfter, ...others } = extensions;
    expect(body).toMatchObject({ data, errors: [{ message, path, extensions: others }] });
    const answered = (body as { errors: [Refused] }).errors[0].extensions;
    expect([typeof answered['instance'], typeof answered['retryAfter']]).toEqual([
      typeof instance,
      typeof retryAfter,
    ]);
    expect(answered['retryAfter']).toBeLessThanOrEqual(600);
  });
});
