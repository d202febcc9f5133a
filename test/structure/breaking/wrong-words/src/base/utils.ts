/** Breaks the rule: a drawer for everything, in words that the glossary has other words for. */
export const masterRegion = 1;
export const slave_node = 2;
