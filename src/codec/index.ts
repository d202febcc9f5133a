/** Level 2: bytes to domain and back, each with a version byte. What peers say to each other, and what lies on disk. */
export * from './bulk.js';
export * from './configuration.js';
export * from './disk.js';
export * from './forward.js';
export * from './framing.js';
export * from './handshake.js';
export { MalformedFrame } from './malformed.js';
export * from './messages.js';
export { encodeMemoryReport, encodeTouches, type MemoryReport, type MemoryRow } from './memory-frames.js';
