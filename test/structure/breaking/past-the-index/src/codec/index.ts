/** Breaks the rule: enters a folder by a side door. */
import { assertion } from '../base/assert.js';

export const checked = assertion;
