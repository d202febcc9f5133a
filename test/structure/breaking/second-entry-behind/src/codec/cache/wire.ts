/** Behind the second entry. */
export const readWire = 1;
