import 'reflect-metadata';

/**
 * What @nestjs/swagger's decorators would leave, written without importing it: the document has our routes when it is
 * installed, and nothing of it is needed when it is not.
 */
export const PREFIX = 'swagger/';
const MEMBERS = `${PREFIX}apiModelPropertiesArray`;

interface Schema {
  readonly type: unknown;
  readonly description: string;
  readonly example?: unknown;
  readonly format?: string;
  readonly enum?: readonly string[];
  readonly additionalProperties?: boolean;
}

/** A member of a body or an answer. */
export function ApiMember(schema: Schema & { readonly required?: boolean }): PropertyDecorator {
  return (target, property) => {
    const known = (Reflect.getMetadata(MEMBERS, target) ?? []) as string[];
    Reflect.defineMetadata(MEMBERS, [...known, `:${String(property)}`], target);
    Reflect.defineMetadata(
      `${PREFIX}apiModelProperties`,
      { required: true, ...schema },
      target,
      property,
    );
  };
}

/** The members that a class declares by `ApiMember`, inherited ones included. */
export function membersOf(type: { readonly prototype: object }): readonly string[] {
  const members = (Reflect.getMetadata(MEMBERS, type.prototype) ?? []) as string[];
  return members.map((member) => member.slice(1));
}

/** Keeps a route out of the document. */
export function ApiHidden(): MethodDecorator {
  return (_target, _property, descriptor: PropertyDescriptor) => {
    const method = descriptor.value as object;
    Reflect.defineMetadata(`${PREFIX}apiExcludeEndpoint`, { disable: true }, method);
  };
}

/** Groups the routes of a controller. */
export function ApiGroup(name: string): ClassDecorator {
  return (target) => Reflect.defineMetadata(`${PREFIX}apiUseTags`, [name], target);
}
