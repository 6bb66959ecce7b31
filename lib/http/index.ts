export { ConfirmationGuard } from './confirmation.guard.js';
export { ConfirmationInterceptor } from './confirmation.interceptor.js';
export { Confirmation } from './confirmation.decorator.js';
export { ConfirmationProof } from './confirmation-proof.js';
export {
  createFactorsController,
  createTwoFactorController,
  type ControllerOptions,
} from './create-two-factor-controller.js';
export { CheckAnswer, ConfirmAnswer, RequestConfirmationAnswer } from './dto/answers.dto.js';
export { ConfirmationIdBody, ConfirmBody, RequestConfirmationBody } from './dto/bodies.dto.js';
export { FactorChangesService } from './factor-changes.service.js';
export { GuardedRouteExplorer } from './guarded-route.explorer.js';
export { type Problem } from './problem.js';
export { PurposeService } from './purpose.service.js';
export { RequesterService } from './requester.service.js';
export {
  RequireConfirmation,
  type RequireConfirmationOptions,
} from './require-confirmation.decorator.js';
export { TwoFactorExceptionFilter } from './two-factor-exception.filter.js';
export { TwoFactorHttpException } from './two-factor-http.exception.js';
