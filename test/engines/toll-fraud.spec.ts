// Messages to numbers that fraudsters are paid for: what each prefix costs, and what honest people notice of it.
import { afterEach, describe, expect, it } from 'vitest';

import { engines } from '../support/engines.js';
import { closeAll, PREFIX, startPhoneApp, type PhoneApp } from '../support/phone-app.js';

/** Other mobile prefixes of the attacked country, and one of another country. */
const OTHERS = ['+380502', '+380671', '+48600'];
const REQUESTS = 1_000;
const ADDRESSES = 200;
const AT_ONCE = 50;

describe.each(engines)('Toll fraud on %s', (engine) => {
  let opened: PhoneApp[] = [];

  /** Three instances; sql.js has a database in each process. */
  const instances = async (): Promise<PhoneApp[]> => {
    const input = { engine, prefixes: { mode: 'deny' } } as const;
    opened = [await startPhoneApp(input)];
    for (let more = engine === 'sqljs' ? 0 : 2; more > 0; more -= 1) {
      opened.push(await startPhoneApp({ ...input, first: opened[0] }));
    }
    return opened;
  };
  const sentTo = (apps: readonly PhoneApp[], prefix: string): number =>
    apps.flatMap(({ sms }) => sms.deliveries).filter(({ token }) => token.startsWith(prefix))
      .length;
  /** Requests for codes to as many numbers, from addresses of 100 networks. */
  const attack = async (apps: readonly PhoneApp[]): Promise<unknown[]> => {
    const outcomes: unknown[] = [];
    const one = async (request: number): Promise<void> => {
      const address = request % ADDRESSES;
      const requester = `198.18.${address >> 1}.${(address % 2) + 1}`;
      outcomes.push(await apps[request % apps.length]!.ask(PREFIX, { requester }));
    };
    for (let from = 0; from < REQUESTS; from += AT_ONCE) {
      await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => one(from + index)));
    }
    return outcomes;
  };
  const round = async (apps: readonly PhoneApp[]): Promise<void> => {
    for (const app of apps) await app.round();
  };

  afterEach(() => closeAll(opened));

  it('cuts off 1,000 requests to 1,000 numbers of one prefix from 200 addresses, over several instances', async () => {
    const apps = await instances();

    const outcomes = await attack(apps);

    expect(sentTo(apps, PREFIX)).toBe(50);
    const refused = outcomes.filter((outcome) => outcome !== 'accepted');
    expect(refused).toHaveLength(REQUESTS - 50);
    const limits = new Set(refused.map((each) => (each as unknown[])[1]));
    expect([...limits]).toEqual(['sends-per-prefix']);
    // Honest people with numbers of other prefixes do not notice it, on any instance.
    for (const prefix of OTHERS) {
      for (const app of apps) expect(await app.prove(prefix)).toBe(true);
    }
    // Nor do people with numbers of this prefix whom the application knows: strangers do not use up what is theirs.
    const known = { subject: 'ann', tokenFrom: 'application' } as const;
    for (const app of apps) expect(await app.prove(PREFIX, known)).toBe(true);
  });

  it('does not close out honest people of the attacked prefix while their codes are being confirmed', async () => {
    const apps = await instances();
    for (let person = 0; person < 120; person += 1) {
      const app = apps[person % apps.length]!;
      expect(await app.prove(PREFIX)).toBe(true);
      // Two messages of the attacker for each honest one: a third of the codes is confirmed.
      expect(await app.askTimes(2, PREFIX)).toEqual(['accepted', 'accepted']);
      if (person % 5 === 4) await round(apps);
    }
    expect(sentTo(apps, PREFIX)).toBe(120 * 3);

    // A flood ends where a fifth of the codes is confirmed, wherever that was. The second round reads what the first one wrote.
    await round(apps);
    await round(apps);
    await attack(apps);
    expect(sentTo(apps, PREFIX)).toBe(120 * 5 + 1);
    // In the next window everybody starts anew.
    apps[0]!.clock.advance(3_600);
    expect(await apps[0]!.prove(PREFIX)).toBe(true);
  });
});
