export { twilioBackend, type TwilioOptions } from './twilio.backend.js';
