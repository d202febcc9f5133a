/** Breaks the rule: the SDK reaches into the server. */
import { openLog } from '../storage/index.js';

export const open = openLog;
