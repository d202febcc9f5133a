/** Breaks the rule: two folders of one level. */
import { slots } from '../topology/index.js';

export const shard = slots;
