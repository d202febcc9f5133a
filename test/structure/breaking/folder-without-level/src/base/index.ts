/** Known. */
export const zero = 0;
