/** Behind the side door. */
export const assertion = 1;
