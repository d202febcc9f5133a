/** Breaks the rule: the public protocol enters by the first entry. */
export { message } from './cache/index.js';
