/** Breaks the rule: says what is left to do where nobody will look. */
// TODO: more
export const zero = 0; // FIXME
