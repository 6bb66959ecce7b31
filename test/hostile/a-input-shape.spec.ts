// Threat: what a client may put where a code, an id, a token or a body belongs (security.md, section 2 A).
// Not here, for it does not exist yet: cases 26-28 (prefix budgets, conversion breaker, countries) and section I.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { WRONG_CODE } from '../support/canaries.js';
import { doors, FAILURES_ONLY, type Entrance } from '../support/doors.js';
import { UNKNOWN_ID } from '../support/unknown-id.js';

const MALFORMED = 'invalid-request';

describe.each(doors)('Input shape, through $name:', ({ open }) => {
  let door: Entrance;

  beforeAll(async () => {
    door = await open({ options: { limits: FAILURES_ONLY } });
  });
  afterAll(() => door.close());

  /**
   * Each is refused for the confirmation's own id and for an unknown one, before any statement. Tells how many attempts
   * are charged in the end, when the right code was taken.
   */
  async function attemptsAfterRefusing(
    impossible: (code: string) => readonly unknown[],
  ): Promise<number> {
    const { id, code } = await door.made();
    for (const each of impossible(code)) {
      const statements = await door.unchanged(async () => {
        expect(await door.confirm(id, each)).toBe(MALFORMED);
        expect(await door.confirm(UNKNOWN_ID, each)).toBe(MALFORMED);
      });
      expect(statements).toStrictEqual([]);
    }
    expect(await door.confirm(id, code)).toBe('done');
    return (await door.row(id)).attempts;
  }

  it('1 refuses a number as a code', async () => {
    expect(await attemptsAfterRefusing(() => [123456, 0, -1, 1e21, true, false])).toBe(1);
  });

  it('2 refuses an array of the right code, which a regular expression alone would take', async () => {
    expect(await attemptsAfterRefusing((code) => [[code], [[code]], ['123456']])).toBe(1);
  });

  it('4 refuses objects, and converts none of them to a string', async () => {
    let asked = 0;
    const asks = (code: string) => ({
      toString: () => {
        asked += 1;
        return code;
      },
      [Symbol.toPrimitive]: () => {
        asked += 1;
        return code;
      },
      length: code.length,
    });

    expect(
      await attemptsAfterRefusing((code) => [
        { $ne: null },
        { $regex: '.*' },
        { toString: code },
        { length: 6 },
        { 0: code, length: 1 },
        asks(code),
        // In JSON it is the text itself.
        ...(door.http ? [] : [Object(code)]),
      ]),
    ).toBe(1);
    expect(asked).toBe(0);
  });

  it('5 refuses no code, an empty and a blank one, also where there is no MAC', async () => {
    expect(
      await attemptsAfterRefusing(() => [
        null,
        undefined,
        '',
        '      ',
        '\u00a0\u00a0\u00a0\u00a0\u00a0\u00a0',
        '------',
      ]),
    ).toBe(1);
    const { confirmer, dataSource } = door.test;
    const byHand = await confirmer.makeConfirmation({ isConfirmed: true });
    const { id } = await door.made();
    await dataSource.query(`UPDATE two_factor_confirmation SET code_mac = NULL WHERE id = '${id}'`);

    await door.unchanged(async () => {
      for (const each of [null, undefined, '', '      ']) {
        expect(await door.confirm(byHand.id, each)).toBe(MALFORMED);
        expect(await door.confirm(id, each)).toBe(MALFORMED);
      }
      expect(await door.confirm(byHand.id, 'nullnull')).toBe('already-confirmed');
      // The row was changed by hand: which refusal it is does not matter, as long as it is one.
      expect(await door.confirm(id, 'nullnull')).not.toBe('done');
    });
  });

  it('7 refuses a right code with a control character or a combining mark around it', async () => {
    const invisible = [
      '\u0000',
      '\u0008',
      '\u000b',
      '\u001b',
      '\u007f',
      '\u0085',
      '\u0301',
      '\u034f',
      '\u20e3',
      '\u3164',
      '\ufe0f',
      '\ud800',
    ];
    expect(
      await attemptsAfterRefusing((code) =>
        invisible.flatMap((each) => [
          `${code}${each}`,
          `${each}${code}`,
          `${code.slice(0, 3)}${each}${code.slice(3)}`,
        ]),
      ),
    ).toBe(1);
  });

  it('8 accepts what typing and copying put around a code, in one pass and nothing else', async () => {
    const decorations: ((code: string) => string)[] = [
      (code) => ` ${code.slice(0, 3)} ${code.slice(3)} `,
      (code) => `${code.slice(0, 3)}-${code.slice(3)}`,
      (code) => `\u00a0-${code.slice(0, 3)} - ${code.slice(3)}--`,
      (code) => `\t${code.slice(0, 3)}\r\n${code.slice(3)}\n`,
      (code) => `\ufeff\u202e${code.slice(0, 3)}\u200b\u3000${code.slice(3)}\u2066`,
      (code) => `\u200f${code.slice(0, 3)}\u2013\u00ad${code.slice(3)}\u202f`,
    ];
    for (const decorate of decorations) {
      const { id, code } = await door.made();
      expect(await door.confirm(id, decorate(code))).toBe('done');
    }
    // Whatever a second pass would decode is another code: compared, wrong and charged.
    const { id, code } = await door.made();
    const encoded = ['%20', '&nbsp;', '\\u0020', '+'].map(
      (each) => `${code.slice(0, 3)}${each}${code.slice(3)}`,
    );
    let left = 5;
    for (const each of encoded) {
      left -= 1;
      expect(await door.confirm(id, each)).toBe(`code-mismatch, ${left} left`);
    }
    expect(await door.confirm(id, code)).toBe('done');
  });

  it('9, 10 reads digits of four other scripts, one guess each, and refuses all other ones and letters, at every channel alike', async () => {
    expect(
      await attemptsAfterRefusing((code) => [
        Array.from(code, (letter) => String.fromCodePoint(letter.codePointAt(0)! + 0xfee0)).join(
          '',
        ),
        '\u09e7\u09e8\u09e9\u09ea\u09eb\u09ec',
        '\u{1d7cf}\u{1d7d0}\u{1d7d1}\u{1d7d2}\u{1d7d3}\u{1d7d4}',
        '\u2460\u2461\u2462\u2463\u2464\u2465',
        '\u00b9\u00b2\u00b3\u2074\u2075\u2076',
        `${code.slice(0, -1)}\u0421`,
      ]),
    ).toBe(1);
    // One guess in four scripts costs four attempts: another spelling buys no guess.
    const { id, code } = await door.made();
    let left = 5;
    for (const zero of [0xff10, 0x0660, 0x06f0, 0x0966]) {
      left -= 1;
      const guess = Array.from('123456', (digit) => String.fromCharCode(zero + Number(digit)));
      expect(await door.confirm(id, guess.join(''))).toBe(`code-mismatch, ${left} left`);
    }
    expect(await door.confirm(id, code)).toBe('done');
  });

  it('11 refuses an id that is no id, before any statement', async () => {
    const { id } = await door.made();
    const impossible = [
      0,
      1,
      -1,
      true,
      false,
      null,
      undefined,
      '',
      ' ',
      [],
      [id],
      {},
      { $gt: '' },
      { id },
      { length: 36 },
      id.toUpperCase(),
      `${id} `,
      ` ${id}`,
      `${id}\n`,
      `${id}\u0000`,
      id.slice(1),
      `${id}0`,
      '%'.repeat(36),
      '_'.repeat(36),
      "' OR ''='",
      '0'.repeat(10_000),
      `${id.slice(0, -1)}\uff10`,
    ];
    for (const each of impossible) {
      const statements = await door.unchanged(async () => {
        expect(await door.confirm(each, WRONG_CODE)).toBe(MALFORMED);
        expect(await door.resend(each)).toBe(MALFORMED);
        expect(await door.check(each)).toBe(MALFORMED);
      });
      expect(statements).toStrictEqual([]);
    }
  });

  it('12 takes no state from a body: unknown members change nothing', async () => {
    const extra = {
      id: UNKNOWN_ID,
      attempts: -100,
      maxAttempts: 100,
      confirmedAt: 1,
      usedAt: 1,
      useBefore: 9e15,
      expiresAt: 9e15,
      isConfirmed: true,
      status: 'confirmed',
      recipient: 'eve@example.com',
      state: {},
      method: 'none',
      sends: -5,
      codeMac: null,
      manager: null,
    };
    const body = { token: 'ann@example.com', ...extra };
    if (!door.http) {
      // The services refuse what they do not know, because their caller is a programmer.
      await door.unchanged(async () => expect(await door.request(body)).toBe('invalid-request'));
      return;
    }
    const { id } = await door.made(body);
    expect(id).not.toBe(UNKNOWN_ID);
    const row = await door.row(id);
    expect(row).toMatchObject({
      attempts: 0,
      maxAttempts: 5,
      confirmedAt: null,
      usedAt: null,
      useBefore: null,
      sends: 1,
      subject: '',
      purpose: '',
      expiresAt: door.test.clock.now() + 600_000,
    });
    expect(door.test.inbox.deliveries.at(-1)).toMatchObject({ token: 'ann@example.com' });

    const ours = { ...extra, id, code: WRONG_CODE };
    await door.unchanged(() => door.http!.post('/2factor/check', ours));
    const wrong = await door.http.post('/2factor/confirm', ours);
    expect(wrong).toBeProblem(422, 'code-mismatch', { attemptsLeft: 4 });
    expect(await door.row(id)).toStrictEqual(Object.assign(row, { attempts: 1 }));
  });

  it('14 refuses details that are no plain JSON or too much of it, and pollutes nothing', async () => {
    const deep = (levels: number): unknown =>
      Array.from({ length: levels }).reduce((inner: unknown) => ({ inner }), 'end');
    const parsed: unknown = JSON.parse('{"__proto__":{"polluted":true}}');
    const details = [
      { constructor: { prototype: { polluted: true } } },
      { prototype: {} },
      { nested: { constructor: 1 } },
      deep(200),
      { note: 'x'.repeat(4_100) },
      { note: '\ud800' },
      Object.fromEntries(Array.from({ length: 5_000 }, (_, at) => [String(at), 0])),
    ];
    for (const each of [parsed, ...details]) {
      const statements = await door.unchanged(async () => {
        // Fastify's parser refuses what could pollute by itself.
        expect(await door.request({ token: 'ann@example.com', details: each })).toMatch(
          /^(400|invalid-request)$/,
        );
      });
      expect(statements).toStrictEqual([]);
    }
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});
