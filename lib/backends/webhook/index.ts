export { verifyWebhook, type VerifyWebhookInput, type WebhookMessage } from './verify-webhook.js';
export { webhookBackend, type WebhookOptions } from './webhook.backend.js';
