export {
  emailBackend,
  type EmailMessage,
  type EmailOptions,
  type MailTransport,
} from './email.backend.js';
