export type {
  AttemptBlockedEvent,
  AttemptFailedEvent,
  ConfirmationFacts,
  ConfirmedEvent,
  CreatedEvent,
  BudgetExhaustedEvent,
  GuessingSuspectedEvent,
  LockedEvent,
  RecipientFacts,
  ReuseRefusedEvent,
  SendBlockedEvent,
  SendFailedEvent,
  SentEvent,
  TwoFactorEvent,
  UsedEvent,
} from './two-factor-event.interface.js';
export { TwoFactorEvents } from './two-factor-events.js';
