import { HttpException, type ExecutionContext } from '@nestjs/common';

import type { PurposeDefinition } from '../options/index.js';

export type SubjectResolver = NonNullable<PurposeDefinition['subject']>;

/** What one resolver answered for a call: a subject, empty for none, or what it threw. */
type Answer = { readonly subject: string } | { readonly error: unknown };

/**
 * As which subjects a caller may access confirmations over HTTP.
 *
 * Every resolver is called once for each call, before any confirmation is read. Called only for the purpose of the
 * confirmation that was found, a resolver that reads a database would tell a stranger by its time that the id exists.
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

  /** The one subject by all resolvers; `null` when they do not agree, or when one of them failed. */
  get common(): string | null {
    const [first, ...others] = this.answers.values();
    if (first === undefined) return '';
    if (!('subject' in first)) return null;
    const isCommon = others.every((each) => 'subject' in each && each.subject === first.subject);
    return isCommon ? first.subject : null;
  }

  /** The subject by one resolver; empty for none. @throws what the resolver threw, unless that was a refusal. */
  by(resolver: SubjectResolver): string {
    const answer = this.answers.get(resolver);
    if (answer === undefined) return '';
    if ('error' in answer) throw answer.error;
    return answer.subject;
  }
}

async function answerOf(resolver: SubjectResolver, context: ExecutionContext): Promise<Answer> {
  try {
    const subject: unknown = await resolver(context);
    // PostgreSQL refuses a text with a NUL as a parameter, and no confirmation has such a subject.
    return { subject: typeof subject === 'string' && !subject.includes('\0') ? subject : '' };
  } catch (error) {
    // "Sign in first" is an answer: no subject. Repeated to the client it would say that the id exists.
    const isRefusal = error instanceof HttpException && error.getStatus() < 500;
    return isRefusal ? { subject: '' } : { error };
  }
}
