import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { NoticeService } from '../../sample-app/src/notices/notice.service.js';
import { startBank, type Bank } from '../support/bank.js';
import { Customer, expectStatus, type InboxMessage } from '../support/customer.js';
import { servers } from '../support/engines.js';

const [FIRST, SECOND] = ['+4915112345111', '+4915112345222'];

describe.each(['sqljs', ...servers] as const)('The owner of an account on %s', (engine) => {
  let bank: Bank;
  let ann: Customer;

  beforeAll(async () => {
    bank = await startBank({ engine });
    ann = await new Customer(bank.url, 'ann@bank.example').signUp();
    await ann.signIn();
  });

  afterAll(() => bank?.close());

  /** The first message whose subject or text has these words. */
  const message = (to: string, words: string): Promise<InboxMessage> =>
    vi.waitFor(
      async () => {
        const found = (await ann.messages(to)).find(({ subject, text }) =>
          `${subject} ${text}`.includes(words),
        );
        expect(found, `the message with "${words}"`).toBeDefined();
        return found!;
      },
      { timeout: 60_000 },
    );

  const notices = (): Promise<unknown[]> => bank.dataSource.query('SELECT * FROM bank_notice');

  function expectAdvice({ text }: InboxMessage): void {
    const time = new Date().toISOString().slice(0, 10);
    expect(text).toContain(`${time} `);
    expect(text).toMatch(/\d\d:\d\d UTC/);
    expect(text).toContain('call the number on the back of your bank card');
    expect(text).toContain('All other browsers were signed out.');
    expect(text).toContain('remove what you do not know and make new recovery codes');
    // No link to imitate, and no contact to collect.
    expect(text).not.toMatch(/https?:|bank\.example/);
    expect(text).not.toContain(FIRST);
    expect(text).not.toContain(SECOND);
  }

  it('gets a mail when a phone number is added', async () => {
    await ann.changePhone(FIRST);

    const mail = await message(ann.email, 'A phone number was added to Sample Bank');
    expectAdvice(mail);
    expect(mail.text).toMatch(/^The phone number \*{11}111 was added at/);
  });

  it('gets a mail, and the old number a text message, when the number changes', async () => {
    await ann.changePhone(SECOND);

    const mail = await message(ann.email, 'Your Sample Bank phone number was changed');
    expectAdvice(mail);
    expect(mail.text).toMatch(/^Your phone number was changed from \*{11}111 to \*{11}222 at/);
    await message(FIRST, 'This number was removed from your Sample Bank account.');
    expect((await ann.messages(SECOND)).filter(({ text }) => text.includes('removed'))).toEqual([]);
  });

  it('gets the mail later when the mail server fails', async () => {
    const service = bank.app.get(NoticeService);
    const { mail } = service as unknown as {
      mail: { sendMail(message: { subject: string }): Promise<unknown> };
    };
    const original = mail.sendMail.bind(mail);
    let failures = 0;
    const broken = vi.spyOn(mail, 'sendMail').mockImplementation((sent) => {
      if (!sent.subject.includes('password was changed')) return original(sent);
      failures += 1;
      return Promise.reject(new Error(`550 ${ann.email} is not known here`));
    });
    const proof = await ann.prove({ purpose: 'change-password', way: 'email' }, ann.email);
    const body = { password: ann.password, newPassword: 'another horse battery' };

    expectStatus(await ann.with('PUT', '/api/v1/me/password', body, proof), 204);
    await vi.waitFor(() => expect(failures).toBe(1), { timeout: 60_000 });
    // Those of the tests before are deleted a moment after they were sent.
    await expect.poll(notices).toMatchObject([{ attempts: 1 }]);

    broken.mockRestore();
    await bank.dataSource.query('UPDATE bank_notice SET due_at = 1');
    service.sendSoon();
    expectAdvice(await message(ann.email, 'Your Sample Bank password was changed'));
    await expect.poll(notices).toEqual([]);
    expect(bank.printed()).toMatch(/Notice [\da-f-]{36} was not sent: Error/);
    expect(bank.printed()).not.toContain(ann.email);
  });

  it('delays no shutdown by the notices that wait for a mail server that does not answer', async () => {
    const service = bank.app.get(NoticeService);
    const { mail } = service as unknown as { mail: { sendMail(): Promise<unknown> } };
    let answer: () => void = () => undefined;
    const sending = vi.spyOn(mail, 'sendMail').mockImplementation(
      () =>
        new Promise((_, reject) => {
          answer = () => reject(new Error('Connection timeout'));
        }),
    );
    const { manager } = bank.dataSource;
    for (let notice = 0; notice < 3; notice += 1) {
      await service.add({ email: ann.email }, { what: 'password' }, manager);
    }
    service.sendSoon();
    await vi.waitFor(() => expect(sending).toHaveBeenCalledTimes(1), { timeout: 60_000 });

    const stopped = service.onApplicationShutdown();
    service.sendSoon();
    answer();
    await stopped;

    expect(sending).toHaveBeenCalledTimes(1);
    // All of them are sent by another process, or after the next start.
    expect(await notices()).toHaveLength(3);
    sending.mockRestore();
  });
});
