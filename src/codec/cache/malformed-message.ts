/**
 * The one error of every decoder in this folder: the bytes are no message of proto/quorate/v1/cache.proto, or one that
 * this codec refuses (docs/formats-wire.md). It is the sender's fault, and costs the sender its call or stream.
 */
export class MalformedMessage extends Error {
  override readonly name = 'MalformedMessage';
}
