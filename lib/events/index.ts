export type {
  AttemptBlockedEvent,
  AttemptFailedEvent,
  ConfirmationEventBase,
  ConfirmedEvent,
  CreatedEvent,
  BudgetExhaustedEvent,
  SprayingSuspectedEvent,
  LockedEvent,
  MaskedRecipient,
  ReuseRefusedEvent,
  SendBlockedEvent,
  SendFailedEvent,
  SentEvent,
  TwoFactorEvent,
  UsedEvent,
} from './two-factor-event.interface.js';
export { TwoFactorEvents } from './two-factor-events.js';
