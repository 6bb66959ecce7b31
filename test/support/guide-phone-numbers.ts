// How a person of the bank of the guides stores a phone number and replaces it.
import { expect, it } from 'vitest';

import { GuideAuthenticator } from './guide-authenticator.js';
import type { GuidePerson } from './guide-person.js';
import { loseAnswer, type GuideVisitors } from './guide-visitors.js';

/** Stores the proved number; the status, the slug and the sentence of the answer. */
async function putPhone(one: GuidePerson, body: object): Promise<[number, unknown, unknown]> {
  const { status, body: answer } = await one.call('PUT', '/phone', body);
  return [status, answer['error'], answer['title']];
}

export function testPhoneNumbers(visitors: GuideVisitors): void {
  /** Requests a confirmation and enters its code, or five wrong ones. */
  async function proof(
    one: GuidePerson,
    { to, isWrong = false, ...body }: { to: string; isWrong?: boolean; [member: string]: unknown },
  ): Promise<string> {
    const { body: begun } = await one.call('POST', '/2factor/request-confirmation', body);
    const id = begun['id'] as string;
    const sent = await visitors.bank.codeFor(to);
    const code = isWrong ? sent.replace(/\d$/, (digit) => String((Number(digit) + 1) % 10)) : sent;
    const statuses: number[] = [];
    for (let tries = 0; tries < (isWrong ? 5 : 1); tries += 1) {
      const { status } = await one.call('POST', '/2factor/confirm', { id, code });
      statuses.push(status);
    }
    expect(statuses).toEqual(isWrong ? [422, 422, 422, 422, 422] : [200]);
    return id;
  }

  it('refuses an agreement that was used for another change, and proofs that wrong codes have ended', async () => {
    const [old, next, last] = ['+14155550130', '+14155550131', '+14155550132'] as const;
    const frank = await visitors.withPhone('frank', old);
    const agree = (to: string, phone: string, isWrong = false): Promise<string> =>
      proof(frank, { purpose: 'leave-phone', details: { phone }, to, isWrong });
    const prove = (phone: string, isWrong = false): Promise<string> =>
      proof(frank, { purpose: 'new-phone', token: phone, to: phone, isWrong });
    const leave = await agree(old, next);
    const changed = await putPhone(frank, { confirmation: await prove(next), leave });
    expect(changed).toEqual([200, undefined, undefined]);

    const confirmation = await prove(last);
    const used = 'The agreement at the old number was used before. Please start again.';
    expect(await putPhone(frank, { confirmation, leave })).toEqual([403, 'agreement-used', used]);
    const ended = 'The agreement at the old number is no longer valid. Please start again.';
    const spoilt = await agree(next, last, true);
    expect(await putPhone(frank, { confirmation, leave: spoilt })).toEqual([
      403,
      'agreement-ended',
      ended,
    ]);
    const none = 'The proof of the new number is no longer valid. Please start again.';
    expect(await putPhone(frank, { confirmation: await prove('+14155550133', true) })).toEqual([
      403,
      'number-ended',
      none,
    ]);
    // None of the refusals has used the proof that counts.
    const agreed = await agree(next, last);
    const again = await putPhone(frank, { confirmation, leave: agreed });
    expect(again).toEqual([200, undefined, undefined]);
  });

  it('says that an agreement by a sent code is outdated when an app was added since, and takes one by the app', async () => {
    const [old, next] = ['+14155550134', '+14155550135'] as const;
    const gina = await visitors.withPhone('gina', old);
    const details = { phone: next };
    const leave = await proof(gina, { purpose: 'leave-phone', details, to: old });
    const confirmation = await proof(gina, { purpose: 'new-phone', token: next, to: next });
    const enrol = { change: 'enrol', method: 'totp' };
    const allowed = await proof(gina, { purpose: 'factors', details: enrol, to: old });
    const { body: begun } = await gina.call(
      'POST',
      '/2factor/factors/enrol',
      { method: 'totp' },
      allowed,
    );
    const app = new GuideAuthenticator(begun['secret'] as string);
    const { id: factor } = begun['factor'] as { id: string };
    const first = { factor, response: await app.code() };
    expect(await gina.call('POST', '/2factor/factors/activate', first)).toMatchObject({
      status: 200,
    });

    const outdated =
      'The agreement at the old number does not count any more: you have a safer way to confirm since. Please start again.';
    expect(await putPhone(gina, { confirmation, leave })).toEqual([
      403,
      'agreement-outdated',
      outdated,
    ]);
    const asked = { purpose: 'leave-phone', details };
    const { body: again } = await gina.call('POST', '/2factor/request-confirmation', asked);
    expect(again).toMatchObject({ method: 'totp' });
    const byApp = { id: again['id'], method: 'totp', code: await app.code() };
    expect(await gina.call('POST', '/2factor/confirm', byApp)).toMatchObject({ status: 200 });
    const changed = await putPhone(gina, { confirmation, leave: again['id'] });
    expect(changed).toEqual([200, undefined, undefined]);
  });

  it('signs no one in by a code that was sent to a number which the account has no longer', async () => {
    const [old, next] = ['+14155550141', '+14155550142'] as const;
    const hana = await visitors.withPhone('hana', old);
    const thief = await visitors.elsewhere('hana');
    await thief.beginSignIn();
    await thief.reads('We sent a code to');
    const { id } = thief.requested.at(-1)!;
    const code = await visitors.bank.codeFor(old);
    expect(await thief.call('POST', '/2factor/confirm', { id, code })).toMatchObject({
      status: 200,
    });

    const details = { phone: next };
    const leave = await proof(hana, { purpose: 'leave-phone', details, to: old });
    const confirmation = await proof(hana, { purpose: 'new-phone', token: next, to: next });
    const changed = await putPhone(hana, { confirmation, leave });
    expect(changed).toEqual([200, undefined, undefined]);

    const finished = await thief.call('POST', '/sign-in/finish', {}, id as string);
    expect(finished).toMatchObject({ status: 403, body: { error: 'number-changed' } });
    expect(await thief.call('GET', '/me')).toMatchObject({ status: 401 });
  });

  it('finds a number stored when the answer was lost, after a reload and when the person presses again', async () => {
    const [first, second, third] = ['+14155550138', '+14155550139', '+14155550140'] as const;
    const jule = await visitors.person('jule');
    const lost = { method: 'PUT', path: '/phone' };
    await loseAnswer(jule, lost);
    await jule.enterPhone(first);
    await jule.confirmByMessage(first);
    await jule.reads('There is no connection. Please try again.');
    await jule.reload();
    await jule.reads(`Your number is ${first} now.`);

    for (const [from, to, again] of [
      [first, second, () => jule.reload()],
      [second, third, () => jule.press('Send a code there')],
    ] as const) {
      await jule.page.unrouteAll();
      await loseAnswer(jule, lost);
      await jule.enterPhone(to);
      await jule.confirmByMessage(to);
      await jule.reads('Do you agree?');
      await jule.confirmByMessage(from);
      await jule.reads('There is no connection. Please try again.');
      await again();
      await jule.reads(`Your number is ${to} now.`);
      expect(await jule.page.locator('two-factor-code:visible').count()).toBe(0);
      expect(visitors.bank.messagesTo(to)).toBe(1);
      const { body } = await jule.call('GET', '/me');
      expect(body).toMatchObject({ phone: to });
    }
  });

  it('gives a number to one account, and replaces it when its owner agrees, not for a stolen session', async () => {
    const [old, fresh] = ['+14155550124', '+14155550125'];
    const bob = await visitors.withPhone('bob', old);
    const eve = await visitors.person('eve');
    await eve.enterPhone(old);
    await eve.confirmByMessage(old);
    await eve.reads('Another account has this number.');
    expect(await eve.page.getByText('Confirmed.').filter({ visible: true }).count()).toBe(0);
    await eve.enterPayment('10.00', 'Eve');
    await eve.reads('We have no address or number to send a code to.');
    await eve.page.getByRole('link', { name: 'Add a phone number' }).click();
    await eve.reads('New phone number');

    // A thief of the session can prove a number of the thief, and no more.
    const asked = await bob.call('POST', '/2factor/request-confirmation', {
      purpose: 'new-phone',
      token: '+14155550126',
    });
    const { id } = asked.body as { id: string };
    const code = await visitors.bank.codeFor('+14155550126');
    const put = (body: object) => putPhone(bob, body);
    const none = '0'.repeat(36);
    const [ofEve] = eve.requested as { id: string }[];
    const missing = 'The proof of the new number is missing. Please ask for a code.';
    for (const confirmation of [none, ofEve!.id]) {
      expect(await put({ confirmation })).toEqual([403, 'number-missing', missing]);
    }
    const waits = 'The proof of the new number waits for its code.';
    expect(await put({ confirmation: id })).toEqual([403, 'number-pending', waits]);
    await bob.call('POST', '/2factor/confirm', { id, code });
    const unasked = 'The agreement at the old number is missing. Please ask for a code.';
    for (const leave of [undefined, id, none]) {
      const answer = await put({ confirmation: id, leave });
      expect(answer).toEqual([403, 'agreement-missing', unasked]);
    }
    const agree = async (phone: string): Promise<string> => {
      const body = { purpose: 'leave-phone', details: { phone } };
      const { body: begun } = await bob.call('POST', '/2factor/request-confirmation', body);
      return begun['id'] as string;
    };
    const leave = await agree('+14155550129');
    const open = 'The agreement at the old number waits for its code.';
    expect(await put({ confirmation: id, leave })).toEqual([403, 'agreement-pending', open]);
    await bob.call('POST', '/2factor/confirm', {
      id: leave,
      code: await visitors.bank.codeFor(old),
    });
    const differs = 'The agreement at the old number is about another number.';
    expect(await put({ confirmation: id, leave })).toEqual([403, 'agreement-differs', differs]);

    await bob.enterPhone(fresh);
    await bob.confirmByMessage(fresh);
    await bob.reads('Do you agree?');
    const stored = await bob.page.evaluate<string>(
      'document.querySelector(\'[purpose="new-phone"]\').value',
    );
    // The code to the old number is awaited, and the new one stays proved.
    await bob.reads(`We sent a code to`);
    await bob.reload();
    await bob.reads('Do you agree?');
    await bob.confirmByMessage(old);
    await bob.reads(`Your number is ${fresh} now.`);
    expect(visitors.bank.messagesTo(fresh)).toBe(1);
    const used = 'The proof of the new number was used before. Please start again.';
    expect(await put({ confirmation: stored })).toEqual([403, 'number-used', used]);
  });
}
