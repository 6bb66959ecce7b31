export { emailBackend, type EmailMessage, type EmailOptions } from './email.backend.js';
