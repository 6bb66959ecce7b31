export { SenderBackend, type Delivery } from './sender-backend.decorator.js';
export {
  defineSender,
  functionalSenderBackend,
  type SendFunction,
  type SenderBackendFactory,
  type SenderBackendFactoryInput,
  type SenderBackendReference,
  type SenderDefinition,
} from './sender-definition.js';
export { SenderRegistry, type ResolvedSender, type SenderBackends } from './sender-registry.js';
export { SenderExplorer } from './sender.explorer.js';
