/** Breaks the rule: the public protocol brings the rest of its folder along. */
import { frame } from '../framing.js';

export const message = frame;
