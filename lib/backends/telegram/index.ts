export { telegramBotBackend, type TelegramBotOptions } from './telegram-bot.backend.js';
export { telegramGatewayBackend, type TelegramGatewayOptions } from './telegram-gateway.backend.js';
