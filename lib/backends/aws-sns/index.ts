export { awsSnsBackend, type AwsSnsOptions } from './aws-sns.backend.js';
