export { SenderBackend, type Delivery, type RenderOptions } from './sender-backend.decorator.js';
export { traitsOf, type FailureTraits } from './failure-traits.js';
export { SendFailure, type SendFailureKind, type SendFailureOptions } from './send-failure.js';
export {
  defineSender,
  functionalSenderBackend,
  type ProviderHealth,
  type SendFunction,
  type SenderBackendFactory,
  type SenderBackendFactoryInput,
  type SenderBackendReference,
  type SenderDefinition,
  type SenderTokenKind,
} from './sender-definition.js';
export { SenderRegistry, type ResolvedSender, type SenderBackends } from './sender-registry.js';
export { SenderExplorer } from './sender.explorer.js';
