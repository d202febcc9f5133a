/** Breaks the rule: the SDK speaks as a node. */
import { frame } from '../codec/index.js';

export const said = frame;
