/** The second entry of `adapters`: what the SDK's root uses, and nothing that brings the server with it. */
export { systemClock } from '../clock.js';
export { createSystemEntropy } from '../entropy.js';
export { createGrpcClientTransport } from '../grpc-client-transport.js';
export { systemTimers } from '../timers.js';
