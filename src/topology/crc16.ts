/**
 * CRC-16/XMODEM (polynomial 0x1021, initial value 0, nothing reflected): the checksum by which Redis Cluster maps
 * keys to slots, so that its clients compute the same slot as we do.
 */
const POLYNOMIAL = 0x1021;

const TABLE = buildTable();

function buildTable(): Uint16Array {
  const table = new Uint16Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ POLYNOMIAL : crc << 1;
    table[byte] = crc; // the typed array keeps the low 16 bits
  }
  return table;
}

/** Checksum of `bytes[start, end)`. */
export function crc16(bytes: Uint8Array, start = 0, end = bytes.length): number {
  let crc = 0;
  for (let i = start; i < end; i++) {
    crc = ((crc << 8) & 0xffff) ^ (TABLE[(crc >>> 8) ^ (bytes[i] as number)] as number);
  }
  return crc;
}
