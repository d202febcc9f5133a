/** What is used of lz4js 0.2.0; it ships no types. */
declare module 'lz4js' {
  /** One LZ4 frame without checksums or content size. */
  export function compress(src: Uint8Array): Uint8Array;
  /**
   * Decompresses one block into `dst` from `dIndex` on and answers where it ended. It trusts `src`: an end beyond
   * `dst` means that the block holds more than fits (what is beyond was dropped).
   */
  export function decompressBlock(
    src: Uint8Array,
    dst: Uint8Array,
    sIndex: number,
    sLength: number,
    dIndex: number,
  ): number;
}
