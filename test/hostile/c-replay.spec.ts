// Threat: what was good once is brought again, too early, too late or after its end (security.md, section 2 C).
import { Controller, HttpCode, Post, type ExecutionContext } from '@nestjs/common';
import { afterEach, describe, expect, it } from 'vitest';

import { ConfirmationRecord, RequireConfirmation } from '../../lib/index.js';
import { WRONG_CODE } from '../support/canaries.js';
import { doors, outcomeOf, httpDoors, type Entrance } from '../support/doors.js';
import { engines } from '../support/engines.js';
import { startApp, type TestAppInput } from '../support/test-app.js';

const DAY = 86_400;

@Controller('guarded')
class GuardedController {
  calls = 0;

  @Post()
  @HttpCode(200)
  @RequireConfirmation('login')
  enter(): { calls: number } {
    this.calls += 1;
    return { calls: this.calls };
  }
}

const userOf = (context: ExecutionContext): string | undefined =>
  context.switchToHttp().getRequest<{ headers: Record<string, string | undefined> }>().headers[
    'x-user'
  ];

const guarded: TestAppInput = {
  controllers: [GuardedController],
  options: {
    controller: true,
    purposes: {
      '': { open: true },
      login: { subject: userOf, recipient: () => 'ann@example.com' },
    },
  },
};

let door: Entrance;
afterEach(() => door.close());

describe.each(doors)('Replay, through $name:', ({ open }) => {
  it('29 accepts the right code once', async () => {
    door = await open();
    const { id, code } = await door.made();

    expect(await door.confirm(id, code)).toBe('done');
    await door.unchanged(async () => {
      expect(await door.confirm(id, code)).toBe('already-confirmed');
      // Nor does a second try tell right from wrong any more.
      expect(await door.confirm(id, WRONG_CODE)).toBe('already-confirmed');
    });
  });

  it('30 is used once, and refuses everything afterwards', async () => {
    door = await open();
    const { id, code } = await door.made();
    await door.confirm(id, code);

    expect(await door.test.confirmer.use(id)).toBe(true);
    await door.unchanged(async () => {
      expect(await door.test.confirmer.use(id)).toBe(false);
      expect(await door.confirm(id, code)).toBe('already-used');
      expect(await door.resend(id)).toBe('already-used');
      expect(await door.check(id)).toBe('used');
      expect(await door.test.confirmer.cancel(id)).toBe(false);
    });
  });

  it('31 refuses the old code after a resend that rotates, and takes the new one', async () => {
    door = await open({ options: { resend: 'rotate' } });
    const { id, code } = await door.made();
    door.test.clock.advance(30);
    expect(await door.resend(id)).toBe('done');
    const { lastCode } = door.test.inbox;

    expect(lastCode).not.toBe(code);
    expect(await door.confirm(id, code)).toBe('code-mismatch, 4 left');
    expect(await door.confirm(id, lastCode)).toBe('done');
  });

  it('31 keeps the one code over resends otherwise, and gives no attempt back by them', async () => {
    door = await open();
    const { id, code } = await door.made();
    expect(await door.confirm(id, WRONG_CODE)).toBe('code-mismatch, 4 left');
    door.test.clock.advance(30);
    expect(await door.resend(id)).toBe('done');

    expect(door.test.inbox.lastCode).toBe(code);
    expect(await door.confirm(id, WRONG_CODE)).toBe('code-mismatch, 3 left');
    expect(await door.confirm(id, code)).toBe('done');
  });

  it('32 is not used before it is confirmed, and nothing is written by the try', async () => {
    door = await open();
    const { id, code } = await door.made();

    await door.unchanged(async () => {
      expect(await door.test.confirmer.use(id)).toBe(false);
    });
    expect(await door.confirm(id, code)).toBe('done');
    expect(await door.test.confirmer.use(id)).toBe(true);
  });

  it('33 refuses the right code from the moment it expires, and charges nothing then', async () => {
    door = await open();
    const { clock } = door.test;
    const early = await door.made();
    const late = await door.made();
    await door.confirm(late.id, WRONG_CODE);
    clock.advance(599.999);
    expect(await door.confirm(early.id, early.code)).toBe('done');
    clock.advance(0.001);

    await door.unchanged(async () => {
      expect(await door.confirm(late.id, late.code)).toBe('expired');
      expect(await door.confirm(late.id, WRONG_CODE)).toBe('expired');
      expect(await door.resend(late.id)).toBe('expired');
      expect(await door.check(late.id)).toBe('expired');
    });
  });

  it('34 is not used from the moment its proof is too old', async () => {
    door = await open();
    const { clock, confirmer } = door.test;
    const early = await door.made();
    const late = await door.made();
    await door.confirm(early.id, early.code);
    await door.confirm(late.id, late.code);
    clock.advance(299.999);
    expect(await confirmer.use(early.id)).toBe(true);
    clock.advance(0.001);

    await door.unchanged(async () => {
      expect(await confirmer.use(late.id)).toBe(false);
      expect(await door.check(late.id)).toBe('expired');
      expect(await door.confirm(late.id, late.code)).toBe('expired');
    });
  });

  it('36 makes nothing usable again by a purge, and lets no id come back', async () => {
    door = await open();
    const { clock, confirmer, dataSource } = door.test;
    const dead = [await door.made(), await door.made(), await door.made()];
    const [unused, used] = dead;
    await door.confirm(unused!.id, unused!.code);
    await door.confirm(used!.id, used!.code);
    await confirmer.use(used!.id);
    clock.advance(600 + DAY - 1);
    expect(await confirmer.purge()).toBe(0);
    clock.advance(301);
    expect(await confirmer.purge()).toBe(3);

    const ids = new Set(dead.map(({ id }) => id));
    for (let at = 0; at < 500; at += 1) ids.add((await confirmer.makeConfirmation()).id);
    expect(ids.size).toBe(503);
    await door.unchanged(async () => {
      for (const { id, code } of dead) {
        expect(await door.confirm(id, code)).toBe('not-found');
        expect(await door.resend(id)).toBe('not-found');
        expect(await door.check(id)).toBe('not-found');
        expect(await confirmer.use(id)).toBe(false);
        expect(await confirmer.cancel(id)).toBe(false);
      }
    });
    expect(await dataSource.getRepository(ConfirmationRecord).count()).toBe(500);
  });
});

describe.each(doors)('Replay, through $name:', ({ open }) => {
  it('38 keeps the pending confirmations of a token when a message more than there may be is refused', async () => {
    door = await open({
      options: { limits: {}, purposes: { '': { open: true }, login: { open: true } } },
    });
    const { clock, confirmer } = door.test;
    const [first, second, third] = [await door.made(), await door.made(), await door.made()];
    for (let at = 0; at < 2; at += 1) await door.made();

    const sent = door.test.inbox.deliveries.length;
    await door.unchanged(async () => {
      expect(await door.request({ token: 'ann@example.com' })).toBe('too-many-requests, in 600 s');
      expect(await door.request({ token: 'ANN@example.com.' })).toBe('too-many-requests, in 600 s');
    });
    expect(door.test.inbox.deliveries).toHaveLength(sent);
    // None of them was ended by the sixth, and the end of one gives no message back, for no purpose.
    expect(await door.confirm(first.id, first.code)).toBe('done');
    await confirmer.cancel(second.id);
    for (const purpose of [undefined, 'login']) {
      expect(await door.request({ token: 'ann@example.com', purpose })).toMatch(
        /^too-many-requests/,
      );
    }
    expect(await door.confirm(third.id, third.code)).toBe('done');
    clock.advance(600);
    expect(await door.request({ token: 'ann@example.com' })).toBe('done');
  });

  it('38 keeps three confirmations alive for one subject or token and purpose when no message is sent, and refuses a fourth', async () => {
    door = await open({
      options: { limits: {}, purposes: { '': { open: true }, login: { open: true } } },
    });
    const { clock, confirmer } = door.test;
    for (const input of [{ token: 'ann@example.com' }, { subject: 'ann' }]) {
      const make = (purpose?: string): Promise<string> =>
        outcomeOf(async () => {
          await confirmer.makeConfirmation({ ...input, purpose });
          return 'done';
        });
      const first = await confirmer.makeConfirmation(input);
      const second = await confirmer.makeConfirmation(input);
      const third = await confirmer.makeConfirmation(input);

      await door.unchanged(async () => expect(await make()).toBe('too-many-requests, in 600 s'));
      // None of them was ended by the fourth, and each end of one makes place for another.
      expect(await door.confirm(first.id, first.code)).toBe('done');
      expect(await make()).toBe('done');
      expect(await make()).toMatch(/^too-many-requests/);
      await confirmer.cancel(second.id);
      expect(await make('login')).toBe('done');
      clock.advance(600);
      expect(await make()).toBe('done');
      expect(await door.check(third.id)).toBe('expired');
    }
  });
});

describe.each(engines)('Replay, through the services on %s:', (engine) => {
  it('36 purges a confirmed and a used one only when neither could be used any more', async () => {
    const test = await startApp({ engine });
    door = { close: () => test.close() } as Entrance;
    const { clock, confirmer } = test;
    const unused = await confirmer.makeConfirmation();
    clock.advance(599);
    await confirmer.confirm(unused.id, unused.code!);

    // Its code is dead before its proof is.
    clock.advance(200);
    expect(await confirmer.purge({ olderThan: new Date(clock.now()) })).toBe(0);
    expect(await confirmer.use(unused)).toBe(true);
    clock.advance(101);
    expect(await confirmer.purge({ olderThan: new Date(clock.now()) })).toBe(1);
    expect(await confirmer.use(unused)).toBe(false);
  });

  it('37 makes one confirmation and one message of a request that is repeated by its key', async () => {
    const test = await startApp({ engine });
    door = { close: () => test.close() } as Entrance;
    const input = { token: 'ann@example.com', purpose: 'login', subject: 'ann' };
    const key = 'a-request-key-0001';

    const ids = [];
    for (let at = 0; at < 3; at += 1)
      ids.push((await test.twoFactor.request({ ...input, idempotencyKey: key })).id);
    expect(new Set(ids).size).toBe(1);
    expect(test.inbox.deliveries).toHaveLength(1);
    expect(await test.dataSource.getRepository(ConfirmationRecord).count()).toBe(1);

    // The key gives no access to a confirmation that another client requested.
    await expect(
      test.twoFactor.request({ ...input, token: 'eve@example.com', idempotencyKey: key }),
    ).rejects.toThrow(/another request/);
    const eves = await test.twoFactor.request({ ...input, subject: 'eve', idempotencyKey: key });
    expect(ids).not.toContain(eves.id);
    // Nor a way to have a spent proof again.
    await test.confirmer.confirm(ids[0]!, test.inbox.deliveries[0]!.code);
    const binding = { purpose: 'login', subject: 'ann' };
    expect(await test.confirmer.use(ids[0]!, binding)).toBe(true);
    expect((await test.twoFactor.request({ ...input, idempotencyKey: key })).state.isUsed).toBe(
      true,
    );
    expect(await test.confirmer.use(ids[0]!, binding)).toBe(false);
  });
});

describe.each(httpDoors)('Replay, over HTTP on $name:', ({ open }) => {
  it('29, 30, 32, 34 lets a guarded route run once, after the code and before its time is over', async () => {
    door = await open(guarded);
    const { http, test } = door;
    const ann = { 'x-user': 'ann' };
    const enter = async (id: string): Promise<number> =>
      (await http!.post('/guarded', {}, { ...ann, 'x-confirmation-id': id })).status;
    const made = () => http!.request({ purpose: 'login' }, ann);
    const confirm = async ({ id, code }: { id: string; code: string }): Promise<number> =>
      (await http!.post('/2factor/confirm', { id, code }, ann)).status;

    const first = await made();
    await door.unchanged(async () => expect(await enter(first.id)).toBe(403));
    expect([await confirm(first), await confirm(first)]).toStrictEqual([200, 409]);
    expect([await enter(first.id), await enter(first.id)]).toStrictEqual([200, 409]);

    const late = await made();
    expect(await confirm(late)).toBe(200);
    test.clock.advance(300);
    await door.unchanged(async () => expect(await enter(late.id)).toBe(403));
    expect(test.app.get(GuardedController).calls).toBe(1);
  });

  it('35 does nothing on 50 visits of a scanner, and the person still confirms', async () => {
    door = await open(guarded);
    const { http } = door;
    const { id, code } = await door.made();
    const paths = ['confirm', 'confirm/', 'check', 'resend', 'request-confirmation'].flatMap(
      (route) => [
        `/2factor/${route}`,
        `/2factor/${route}?id=${id}&code=${WRONG_CODE}&token=a@b.example`,
      ],
    );
    const sent = door.test.inbox.deliveries.length;

    const statements = await door.unchanged(async () => {
      for (let visit = 0; visit < 50; visit += 1) {
        const answer = await http!.call(paths[visit % paths.length]!, {
          method: visit % 3 === 0 ? 'HEAD' : 'GET',
          headers: { 'user-agent': 'facebookexternalhit/1.1', purpose: 'prefetch' },
        });
        expect([404, 405]).toContain(answer.status);
      }
    });

    expect(statements).toStrictEqual([]);
    expect(door.test.inbox.deliveries).toHaveLength(sent);
    expect(await door.confirm(id, code)).toBe('done');
    expect(await door.confirm(id, code)).toBe('already-confirmed');
  });
});
