// A person who began by another method chooses "send me a code instead": the first message of a confirmation that is there.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { ConfirmationRecord, TwoFactorEvents, type TwoFactorEvent } from '../../lib/index.js';
import { enrolApp, METHODS } from '../support/authenticator.js';
import { WRONG_CODE } from '../support/canaries.js';
import { engines } from '../support/engines.js';
import { purposes } from '../support/first-code-purposes.js';
import { startHttpApp, type Answer, type HttpTestApp } from '../support/http.js';
import { TestInbox } from '../support/test-app.js';

const AT_ONCE = 20;

describe.each(engines)('The first code after another method on %s', (engine) => {
  const mail = new TestInbox();
  const sms = new TestInbox();
  let http: HttpTestApp;
  let users = 0;

  beforeAll(async () => {
    http = await startHttpApp({
      engine,
      options: {
        controller: true,
        methods: METHODS,
        purposes,
        limits: {},
        databaseTimeoutMs: 60_000,
        senders: {
          default: { backend: () => mail.send },
          sms: { backend: () => sms.send },
        },
        defaultSender: 'default',
      },
    });
  });
  afterAll(() => http.close());

  const post = (user: string, route: string, body: object, key?: string): Promise<Answer> =>
    http.post(`/2factor/${route}`, body, {
      'x-user': user,
      ...(key !== undefined && { 'idempotency-key': key }),
    });
  const begin = async (user: string, name = 'login', method?: string): Promise<string> => {
    const { body } = await post(user, 'request-confirmation', { purpose: name, method });
    return (body as { id: string }).id;
  };
  const person = async () => enrolApp(http, `${engine}-${(users += 1)}`);
  const sent = (): number => mail.deliveries.length + sms.deliveries.length;

  it('goes to the recipient of the purpose, and confirms', async () => {
    const { subject } = await person();
    const id = await begin(subject);
    const before = sent();

    const answer = await post(subject, 'resend', { id, way: 'sms', token: '+15555550199' });

    expect(answer).toMatchObject({
      status: 200,
      body: { id, attemptsLeft: 5, codeLength: 20, maskedToken: expect.stringMatching(/00$/) },
    });
    expect(sent() - before).toBe(1);
    expect(sms.deliveries.at(-1)).toMatchObject({ token: '+15555550100' });
    const confirmed = await post(subject, 'confirm', { id, code: sms.lastCode });
    expect(confirmed).toMatchObject({ status: 200 });
    expect((await post(subject, 'check', { id })).body).toMatchObject({ confirmedBy: 'code' });
    expect((await http.confirmer.use(id, { purpose: 'login', subject })) satisfies boolean).toBe(
      true,
    );
  });

  it('is drawn by the first message alone, so that a repeated request finds its confirmation', async () => {
    const { subject } = await person();
    const ask = (body: object): Promise<Answer> =>
      post(
        subject,
        'request-confirmation',
        { purpose: 'login', ...body },
        `key-of-${subject}-sixteen`,
      );
    const first = await ask({});
    const { id } = first.body as { id: string };
    await post(subject, 'resend', { id, way: 'default' });
    const code = mail.lastCode;

    const again = await ask({});

    expect(again.body).toEqual(first.body);
    expect(await post(subject, 'confirm', { id, code })).toMatchObject({ status: 200 });
  });

  it('is sent when the request is repeated with its key by a code, and once by all repeats', async () => {
    const { subject } = await person();
    const key = `key-of-${subject}-sixteen`;
    const ask = (method?: string): Promise<Answer> =>
      post(subject, 'request-confirmation', { purpose: 'login', way: 'sms', method }, key);
    const { id } = (await ask()).body as { id: string };
    const before = sent();

    const repeated = await Promise.all([ask('code'), ask('code')]);

    for (const answer of repeated) {
      expect(answer).toMatchObject({ status: 200, body: { id, method: 'code', codeLength: 20 } });
    }
    expect(sent() - before).toBe(1);
    expect(sms.deliveries.at(-1)).toMatchObject({ token: '+15555550100' });
    expect((await ask()).body).toMatchObject({ id, method: 'totp' });
    expect(sent() - before).toBe(1);
    const confirmed = await post(subject, 'confirm', { id, code: sms.lastCode });
    expect(confirmed).toMatchObject({ status: 200 });
  });

  it('goes to the sender with the context of the request that asks for it', async () => {
    const { subject } = await person();
    const given = {
      subject,
      purpose: 'login',
      methods: ['totp', 'code'],
      token: 'ann@example.com',
      idempotencyKey: `key-of-${subject}-sixteen`,
    } as const;
    const { id } = await http.twoFactor.request(given);

    const repeated = await http.twoFactor.request({
      ...given,
      method: 'code',
      context: { locale: 'fr' },
    });

    expect(repeated).toMatchObject({ id, method: 'code', codeLength: 20 });
    expect(mail.deliveries.at(-1)).toMatchObject({
      token: 'ann@example.com',
      context: { locale: 'fr' },
    });
  });

  it('goes to no token that the client named, because another method cannot prove it', async () => {
    const { subject } = await person();
    const given = {
      subject,
      purpose: 'login',
      token: '+15555550199',
      tokenFrom: 'client',
    } as const;
    const before = [sent(), await http.dataSource.getRepository(ConfirmationRecord).count()];

    for (const methods of [['totp', 'code'], ['code', 'totp'], ['totp']] as const) {
      for (const call of [
        () => http.twoFactor.request({ ...given, methods }),
        () => http.confirmer.makeConfirmation({ ...given, methods }),
      ]) {
        await expect(call()).rejects.toMatchObject({
          code: 'invalid-request',
          message: expect.stringContaining('only a code that is sent there does that'),
        });
      }
    }

    expect([sent(), await http.dataSource.getRepository(ConfirmationRecord).count()]).toEqual(
      before,
    );
    expect(await http.twoFactor.request({ ...given, methods: ['code'] })).toMatchObject({
      method: 'code',
      codeLength: 20,
    });
  });

  it('goes by the default way when the call names none, and leaves the app usable', async () => {
    const { subject, app } = await person();
    const id = await begin(subject);

    expect(await post(subject, 'resend', { id })).toMatchObject({ status: 200 });

    expect(mail.deliveries.at(-1)).toMatchObject({ token: `${subject}@example.com` });
    const body = { id, method: 'totp', code: app.code() };
    expect(await post(subject, 'confirm', body)).toMatchObject({ status: 200 });
  });

  it('is sent once when 20 concurrent calls ask for it, and the code of that message confirms', async () => {
    const { subject } = await person();
    const id = await begin(subject);
    const before = sent();

    const answers = await Promise.all(
      Array.from({ length: AT_ONCE }, (_, index) =>
        post(subject, 'resend', { id, way: index % 2 === 0 ? 'sms' : 'default' }),
      ),
    );

    // The first one has sent it. Those that read the confirmation after that may not ask for another way, or have to wait.
    for (const { status } of answers) expect([200, 400, 429]).toContain(status);
    expect(answers.some(({ status }) => status === 200)).toBe(true);
    expect(sent() - before).toBe(1);
    const row = await http.row(id);
    const code = row.way === 'sms' ? sms.lastCode : mail.lastCode;
    expect(row.sends).toBe(1);
    expect(await post(subject, 'confirm', { id, code })).toMatchObject({ status: 200 });
  });

  it('is sent several times by the naive twin', async () => {
    const { subject } = await person();
    const id = await begin(subject);
    const rows = http.dataSource.getRepository(ConfirmationRecord);
    let messages = 0;
    const naive = async (): Promise<void> => {
      const row = await rows.findOneByOrFail({ id });
      if (row.sends > 0) return;
      messages += 1;
      await rows.update({ id }, { sends: 1 });
    };

    await Promise.all(Array.from({ length: AT_ONCE }, naive));

    expect(messages).toBeGreaterThan(1);
  });

  it('is sent once by repeats with one key, and again by the same way after the cooldown', async () => {
    const { subject } = await person();
    const id = await begin(subject);
    const before = sent();
    const repeat = (): Promise<Answer> =>
      post(subject, 'resend', { id, way: 'sms' }, `key-of-${subject}-sixteen`);

    const [first, second] = [await repeat(), await repeat()];

    expect([first.status, second.status]).toEqual([200, 200]);
    expect(second.body).toEqual(first.body);
    expect(sent() - before).toBe(1);
    expect(await post(subject, 'resend', { id })).toMatchObject({ status: 429 });
    http.clock.advance(30);
    expect(await post(subject, 'resend', { id, way: 'default' })).toMatchObject({
      status: 400,
      body: { error: 'invalid-request' },
    });
    const code = sms.lastCode;
    expect(await post(subject, 'resend', { id })).toMatchObject({ status: 200 });
    expect(sms.lastCode).toBe(code);
    expect(sent() - before).toBe(2);
  });

  it('is refused where the confirmation allows no code, has ended, or is of another person', async () => {
    const { subject, app } = await person();
    const other = await person();
    const before = sent();
    const narrowed = await begin(subject, 'login', 'recovery');
    const strict = await begin(subject, 'strict');
    const homeless = await begin(subject, 'homeless');
    const done = await begin(subject);
    await post(subject, 'confirm', { id: done, method: 'totp', code: app.code() });
    const pending = await begin(subject);

    for (const id of [narrowed, strict]) {
      expect(await post(subject, 'resend', { id, way: 'sms' })).toBeProblem(
        409,
        'method-not-allowed',
      );
    }
    expect(await post(subject, 'resend', { id: homeless })).toBeProblem(422, 'no-recipient');
    expect(await post(subject, 'resend', { id: done })).toBeProblem(409, 'already-confirmed');
    expect(await post(other.subject, 'resend', { id: pending })).toBeProblem(404, 'not-found');
    expect(await post(subject, 'resend', { id: pending, way: 'fax' })).toMatchObject({
      status: 400,
    });
    const byMail = await begin(subject, 'by-mail');
    expect(await post(subject, 'resend', { id: byMail, way: 'sms' })).toMatchObject({
      status: 400,
    });
    http.clock.advance(600);
    expect(await post(subject, 'resend', { id: pending })).toBeProblem(410, 'expired');
    expect(sent()).toBe(before);
  });

  it('is counted as every message: five to one recipient, and none to a locked one', async () => {
    const { subject, app } = await person();
    for (let count = 0; count < 5; count += 1) {
      const id = await begin(subject);
      expect(await post(subject, 'resend', { id })).toMatchObject({ status: 200 });
    }
    const sixth = await begin(subject);
    const before = sent();
    expect(await post(subject, 'resend', { id: sixth })).toBeProblem(429, 'too-many-requests', {
      retryAfter: 600,
    });
    http.clock.advance(600);

    const locked = await person();
    const token = `${locked.subject}@example.com`;
    for (let round = 0; round < 2; round += 1) {
      const { state } = await http.twoFactor.request({
        token,
        subject: locked.subject,
        purpose: 'plain',
      });
      for (let count = 0; count < 5; count += 1) await http.confirmer.confirm(state.id, WRONG_CODE);
    }
    const id = await begin(locked.subject);
    expect(await post(locked.subject, 'resend', { id })).toBeProblem(429, 'too-many-requests', {
      retryAfter: 30,
    });
    expect(sent() - before).toBe(2);
    // What locks the codes does not lock the app.
    const code = locked.app.code();
    expect(await post(locked.subject, 'confirm', { id, method: 'totp', code })).toMatchObject({
      status: 200,
    });
    expect(app).not.toBe(locked.app);
  });

  it('charges a wrong code to the recipient from then on', async () => {
    const { subject } = await person();
    const id = await begin(subject);
    await post(subject, 'resend', { id });

    expect(await post(subject, 'confirm', { id, code: WRONG_CODE })).toMatchObject({ status: 422 });

    const { failureKeys } = await http.row(id);
    expect(failureKeys ?? 'elsewhere').not.toBe('');
  });

  it('is reported by the same events as every message', async () => {
    const { subject } = await person();
    const events: TwoFactorEvent[] = [];
    const id = await begin(subject);
    http.app.get(TwoFactorEvents, { strict: false }).subscribe((event) => events.push(event));

    await post(subject, 'resend', { id, way: 'sms' });

    expect(events.map(({ type }) => type)).toEqual(['sent']);
  });

  it('is sent by the service to the token that the application gives', async () => {
    const { subject } = await person();
    const { state } = await http.twoFactor.request({
      subject,
      purpose: 'login',
      methods: ['totp', 'code'],
      token: 'ann@example.com',
    });
    await expect(http.twoFactor.resend(state.id)).rejects.toMatchObject({
      code: 'invalid-request',
    });

    const answer = await http.twoFactor.resend(state.id, { token: '+15555550100', way: 'sms' });

    expect(answer).toMatchObject({ id: state.id, codeLength: 20 });
    expect(sms.deliveries.at(-1)).toMatchObject({ token: '+15555550100' });
    http.clock.advance(30);
    await expect(http.twoFactor.resend(state.id, { token: '+15555550199' })).rejects.toMatchObject({
      code: 'invalid-request',
    });
    expect(await http.twoFactor.resend(state.id, { way: 'sms' })).toMatchObject({ id: state.id });
  });

  it('is no message of a confirmation whose code the application delivers itself', async () => {
    const { subject } = await person();
    const { id } = await http.confirmer.makeConfirmation({ subject, purpose: 'login' });
    const before = sent();

    expect(await post(subject, 'resend', { id, way: 'sms' })).toMatchObject({ status: 400 });
    expect(sent()).toBe(before);
  });
});
