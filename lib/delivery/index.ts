export { BackendCaller } from './backend-caller.js';
export { resendAt } from './cooldown.js';
export { DELIVERY_QUEUE } from './delivery-queue.js';
export { DeliveryRecorder } from './delivery-recorder.js';
export { DirectDelivery } from './direct-delivery.js';
export { SenderService, type SendOptions } from './sender.service.js';
