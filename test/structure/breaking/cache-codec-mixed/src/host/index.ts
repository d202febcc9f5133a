/** Breaks the rule: far from the front, and speaks the public protocol. */
import { message } from '../codec/cache/index.js';

export const said = message;
