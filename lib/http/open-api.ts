import 'reflect-metadata';

/**
 * The prefix of the metadata keys of @nestjs/swagger. Writing this metadata directly describes our routes in an application
 * that has @nestjs/swagger, and needs no dependency on it.
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

/** Describes a member of a body or a response. */
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

/** Leaves a route out of the document. */
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
