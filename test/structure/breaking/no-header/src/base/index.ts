export const zero = 0; /** Too late. */
