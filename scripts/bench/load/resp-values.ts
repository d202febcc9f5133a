/** A whole RESP2 reply as values, for the one nested answer that a load generator needs: CLUSTER SLOTS. Pure. */

export type RespValue = string | number | null | RespValue[];

/** The reply at the start of the text and where it ends; null while it isn't whole. Throws on an error reply. */
export function parseReply(
  text: string,
  start = 0,
): { readonly value: RespValue; readonly end: number } | null {
  const lineEnd = text.indexOf('\r\n', start);
  if (lineEnd < 0) return null;
  const head = text.slice(start + 1, lineEnd);
  const next = lineEnd + 2;
  switch (text[start]) {
    case '+':
      return { value: head, end: next };
    case ':':
      return { value: Number(head), end: next };
    case '$': {
      const length = Number(head);
      if (length < 0) return { value: null, end: next };
      if (text.length < next + length + 2) return null;
      return { value: text.slice(next, next + length), end: next + length + 2 };
    }
    case '*': {
      const values: RespValue[] = [];
      let end = next;
      for (let i = 0; i < Number(head); i++) {
        const part = parseReply(text, end);
        if (part === null) return null;
        values.push(part.value);
        end = part.end;
      }
      return { value: values, end };
    }
    case '-':
      throw new Error(`the server answered ${head}`);
    default:
      throw new Error(`not a reply: ${text.slice(start, start + 40)}`);
  }
}

/** The owner of every slot as an index into `addresses`. Throws when a slot has none. */
export function slotOwners(slots: RespValue): {
  readonly addresses: string[];
  readonly ownerOf: Uint16Array;
} {
  const addresses: string[] = [];
  const ownerOf = new Uint16Array(16_384).fill(0xffff);
  for (const range of Array.isArray(slots) ? slots : []) {
    const [first, last, owner] = range as [number, number, [string, number]];
    const address = `${owner[0]}:${owner[1]}`;
    if (!addresses.includes(address)) addresses.push(address);
    ownerOf.fill(addresses.indexOf(address), first, last + 1);
  }
  const orphan = ownerOf.indexOf(0xffff);
  if (orphan >= 0) throw new Error(`CLUSTER SLOTS names no owner of slot ${orphan}`);
  return { addresses, ownerOf };
}
