/** Breaks the rule: a pure folder takes more than types from the world. */
import { PEER_CHANNELS } from '../ports/index.js';

export const channels = PEER_CHANNELS;
