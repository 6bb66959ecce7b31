export { resendAt } from './cooldown.js';
export { SenderService, type SendOptions } from './sender.service.js';
