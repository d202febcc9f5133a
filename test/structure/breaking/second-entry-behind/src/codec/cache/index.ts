/** The second entry, which may be used. */
export { readWire } from './wire.js';
