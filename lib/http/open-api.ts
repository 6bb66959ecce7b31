import 'reflect-metadata';

/**
 * The prefix of the metadata keys of @nestjs/swagger. Writing this metadata directly describes our routes in an application
 * that has @nestjs/swagger, and needs no dependency on it.
 */
export const PREFIX = 'swagger/';
/** The metadata key under which @nestjs/swagger finds the names of the properties of a body or a response. */
const MODEL_PROPERTIES_KEY = `${PREFIX}apiModelPropertiesArray`;

interface Schema {
  readonly type?: unknown;
  readonly oneOf?: readonly object[];
  readonly description: string;
  readonly example?: unknown;
  readonly format?: string;
  readonly enum?: readonly string[];
  readonly additionalProperties?: boolean;
  readonly nullable?: boolean;
  readonly isArray?: boolean;
}

/** Describes a member of a body or a response. */
export function ApiMember(schema: Schema & { readonly required?: boolean }): PropertyDecorator {
  return (target, property) => {
    const known = (Reflect.getMetadata(MODEL_PROPERTIES_KEY, target) ?? []) as string[];
    Reflect.defineMetadata(MODEL_PROPERTIES_KEY, [...known, `:${String(property)}`], target);
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
  const members = (Reflect.getMetadata(MODEL_PROPERTIES_KEY, type.prototype) ?? []) as string[];
  return members.map((member) => member.slice(1));
}

/** Names a schema by its class and a prefix, because the schemas of an application may have the same names. */
export function ApiModel(): ClassDecorator {
  return (target) => {
    Object.defineProperty(target, 'name', { value: `TwoFactor${target.name}` });
  };
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
