/** What an address may look like: HOST:PORT, by one rule for every setting and for texts from elsewhere. */
import { z } from 'zod';

/** HOST:PORT; an IPv6 host stands in brackets. Port 0 asks for a free one. */
export const addressSchema = z
  .string()
  .regex(/^(\[[0-9a-fA-F:.]+\]|[^:[\]\s]+):\d{1,5}$/, 'expected HOST:PORT, for example 127.0.0.1:7600')
  .refine(
    (text) => Number(text.slice(text.lastIndexOf(':') + 1)) <= 65535,
    'expected a port from 0 to 65535',
  );

/** Whether a text from elsewhere is an address that can be dialled. */
export function isAddress(text: string): boolean {
  return addressSchema.safeParse(text).success;
}
