import type { PurposeDefinition, TwoFactorModuleOptions } from '../../lib/index.js';
import { enrolApp, TestAuthenticator, type EnrolledSubject } from './authenticator.js';
import { header } from '../e2e/controller-fixtures.js';
import type { Answer, HttpTestApp } from './http.js';

export const FACTORS: PurposeDefinition = {
  subject: (context) => header(context, 'x-user'),
  recipient: (context) => `${header(context, 'x-user')}@example.com`,
};

export const ENROL = { change: 'enrol', method: 'totp' };

/** Messages and confirmations that are pending do not run out in tests that make many of them. */
export const MANY: TwoFactorModuleOptions['limits'] = {
  pending: false,
  sendsPerToken: false,
  sendsInTotal: false,
  requestsPerRequester: false,
};

/** A person at the routes of the factors. */
export class FactorClient {
  constructor(
    private readonly http: HttpTestApp,
    readonly user: string,
  ) {}

  post(route: string, body: object, proof?: string): Promise<Answer> {
    const headers = proof === undefined ? {} : { 'x-confirmation-id': proof };
    return this.http.post(`/2factor/${route}`, body, { 'x-user': this.user, ...headers });
  }

  request(details: object, method?: string): Promise<Answer> {
    return this.post('request-confirmation', { purpose: 'factors', details, method });
  }

  /** A proof by a code that was sent. */
  async byCode(details: object): Promise<string> {
    const { status, body } = await this.request(details);
    const { id, method } = body as { id: string; method: string };
    if (status !== 200 || method !== 'code') throw new Error(`It is ${status}, by ${method}.`);
    await this.#confirm({ id, code: this.http.inbox.lastCode });
    return id;
  }

  /** A proof by the app of a person. */
  async byApp(details: object, app: TestAuthenticator): Promise<string> {
    const { id } = (await this.request(details)).body as { id: string };
    await this.#confirm({ id, method: 'totp', code: app.code() });
    this.http.clock.advance(30);
    return id;
  }

  async byRecovery(details: object, code: string): Promise<string> {
    const { id } = (await this.request(details, 'recovery')).body as { id: string };
    await this.#confirm({ id, method: 'recovery', code });
    return id;
  }

  async #confirm(body: object): Promise<void> {
    succeeded(await this.post('confirm', body));
  }

  /** Begins an enrolment with a proof. */
  async enrol(proof?: string): Promise<{ id: string; app: TestAuthenticator }> {
    const answer = await this.post('factors/enrol', { method: 'totp' }, proof);
    succeeded(answer);
    const { factor, secret } = answer.body as { factor: { id: string }; secret: string };
    return { id: factor.id, app: new TestAuthenticator(secret, this.http.clock) };
  }

  activate({ id, app }: { id: string; app: TestAuthenticator }): Promise<Answer> {
    return this.post('factors/activate', { factor: id, response: app.code() });
  }

  async list(): Promise<{ id: string; method: string; label: string; left?: number }[]> {
    const { body } = await this.post('factors/list', {});
    return (body as { factors: [] }).factors;
  }
}

function succeeded({ status, text }: Answer): void {
  if (status !== 200) throw new Error(`It was refused: ${text}`);
}

/** A person with an app and recovery codes, who was enrolled by the application. */
export async function enrolledClient(
  http: HttpTestApp,
  user: string,
): Promise<{ client: FactorClient } & EnrolledSubject> {
  return { client: new FactorClient(http, user), ...(await enrolApp(http, user)) };
}

/** Each route that changes factors, with a body that it takes. */
export function changesOf(factor: string): [route: string, body: object][] {
  return [
    ['factors/enrol', { method: 'totp' }],
    ['factors/rename', { factor, label: 'x' }],
    ['factors/remove', { factor, allowLast: true }],
    ['factors/remove', { factor: 'recovery' }],
    ['factors/recovery-codes', {}],
  ];
}
