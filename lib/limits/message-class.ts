import type { LimitClass, ResolvedOptions } from '../options/index.js';

/** The parts of a confirmation by which its class is known. */
interface ClassedScope {
  /** Empty for no subject. */
  readonly subject: string;
  /** The side that named the phone number or address. @default 'application' */
  readonly tokenFrom?: 'client' | 'application' | undefined;
}

/** Whether subjects are only claimed is an option of their purpose. */
interface PurposeScope {
  /** Empty for the nameless purpose. */
  readonly purpose: string;
}

type Purposes = Pick<ResolvedOptions, 'purposes'>;

/**
 * The class `open` where a client names the phone number or address: it need not be the client's own, even of a signed-in user.
 */
export function classOf({ subject, tokenFrom }: ClassedScope): LimitClass {
  return subject === '' || tokenFrom === 'client' ? 'open' : 'bound';
}

/**
 * The class whose messages a message uses up, and beside which it waits. With a subject that is only claimed it is `open`: a stranger
 * who names a thousand users would otherwise spend in minutes what signed-in users need. The failures and the messages of the
 * person that is named are counted with the rules of `classOf`.
 */
export function messageClassOf(options: Purposes, scope: ClassedScope & PurposeScope): LimitClass {
  return hasClaimedSubject(options, scope) ? 'open' : classOf(scope);
}

/** Whether an anonymous client may have named the subject. */
export function hasClaimedSubject({ purposes }: Purposes, { purpose }: PurposeScope): boolean {
  return purposes.get(purpose)?.claimedSubject === true;
}
