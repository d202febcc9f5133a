/** What nodes say to each other. */
export const frame = 1;
