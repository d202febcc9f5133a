/** Breaks the rule: an import that leads nowhere would hide from every other rule. */
export { gone } from './gone.js';
