/** zlib's own CRC-32: native, several GB/s. */
import { crc32 as zlibCrc32 } from 'node:zlib';
import type { Crc32 } from '../ports/index.js';

export const crc32: Crc32 = (bytes, seed = 0) => zlibCrc32(bytes, seed);
