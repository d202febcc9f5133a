/** The other one. */
export const slots = 16384;
