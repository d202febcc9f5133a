/** A root. */
export const main = 1;
