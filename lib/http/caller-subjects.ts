import { HttpException, type ExecutionContext } from '@nestjs/common';

import { callResolver, type PurposeDefinition } from '../options/index.js';

export type SubjectResolver = NonNullable<PurposeDefinition['subject']>;

/** The result of one resolver for a call: the subject, empty for none, or the thrown error. */
type Answer = { readonly subject: string } | { readonly error: unknown };

/**
 * The subjects under which a caller may access confirmations over HTTP.
 *
 * All resolvers run once for each call, before a confirmation is read. If only the resolver of a found confirmation ran, the
 * time of its database query would show a stranger that the id exists.
 */
export class CallerSubjects {
  private constructor(private readonly answers: ReadonlyMap<SubjectResolver, Answer>) {}

  static async resolve(
    resolvers: Iterable<SubjectResolver>,
    context: ExecutionContext,
  ): Promise<CallerSubjects> {
    const answers = new Map<SubjectResolver, Answer>();
    for (const resolver of resolvers) answers.set(resolver, await answerOf(resolver, context));
    return new CallerSubjects(answers);
  }

  /** The subject on which all resolvers agree; `null` when they disagree or one of them failed. */
  get common(): string | null {
    const [first, ...others] = this.answers.values();
    if (first === undefined) return '';
    if (!('subject' in first)) return null;
    const isCommon = others.every((each) => 'subject' in each && each.subject === first.subject);
    return isCommon ? first.subject : null;
  }

  /** The subject by one resolver; empty for none. @throws the error of the resolver, except for an HTTP status below 500. */
  subjectBy(resolver: SubjectResolver): string {
    const answer = this.answers.get(resolver);
    if (answer === undefined) return '';
    if ('error' in answer) throw answer.error;
    return answer.subject;
  }
}

async function answerOf(resolver: SubjectResolver, context: ExecutionContext): Promise<Answer> {
  try {
    const subject = await callResolver('subject resolver of a purpose', () => resolver(context));
    // PostgreSQL rejects a parameter with a NUL character. No confirmation has such a subject.
    return { subject: typeof subject === 'string' && !subject.includes('\0') ? subject : '' };
  } catch (error) {
    // A refusal such as "sign in first" means that there is no subject. Passed on to the client, it would show that the id
    // exists.
    const isTransportRefusal = error instanceof HttpException && error.getStatus() < 500;
    return isTransportRefusal ? { subject: '' } : { error };
  }
}
