/**
 * Fills recordings of test/data/resp with the replies of a real server:
 *
 *   redis-server --port PORT --save '' & npx tsx test/support/record-resp.ts 127.0.0.1:PORT test/data/resp/NAME.txt
 *
 * The requests (`>` and `>>` lines) stay as they are, each `==` begins with an empty database and a new connection, and
 * every reply is written anew, with `{id}` for the connection's id. Only for commands that are answered at once, and alike each time.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { multibulk } from '../unit/api/resp/resp-world.js';
import { unescapeText, words } from '../unit/api/resp/recordings.js';

/** A reply may come in pieces; one that is silent for this long has come. */
const SILENCE_MS = 40;

class Conversation {
  private text = '';
  private closed = false;
  private heard: () => void = () => undefined;

  private constructor(private readonly socket: net.Socket) {
    socket.on('data', (bytes: Buffer) => {
      this.text += bytes.toString('latin1');
      this.heard();
    });
    socket.on('close', () => {
      this.closed = true;
      this.heard();
    });
  }

  static open(address: string): Promise<Conversation> {
    const [host, port] = address.split(':');
    return new Promise((resolve, reject) => {
      const socket = net.connect(Number(port), host ?? '127.0.0.1');
      socket.once('error', reject);
      socket.once('connect', () => resolve(new Conversation(socket)));
    });
  }

  ask(request: string): Promise<{ reply: string; closed: boolean }> {
    this.text = '';
    this.socket.write(Buffer.from(request, 'latin1'));
    return new Promise((resolve) => {
      let timer: NodeJS.Timeout | null = null;
      this.heard = () => {
        if (timer !== null) clearTimeout(timer);
        timer = setTimeout(() => resolve({ reply: this.text, closed: this.closed }), SILENCE_MS);
      };
      if (this.closed) this.heard();
    });
  }

  close(): void {
    this.socket.destroy();
  }
}

function escapeText(text: string): string {
  return text.replace(/[^ -~]|\\/g, (c) => {
    if (c === '\r') return '\\r';
    if (c === '\n') return '\\n';
    if (c === '\\') return '\\\\';
    return `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}

async function record(address: string, path: string): Promise<void> {
  const out: string[] = [];
  let conversation: Conversation | null = null;
  let id = '';
  for (const line of readFileSync(path, 'latin1').split('\n')) {
    if (line.startsWith('<') || line === 'closed') continue;
    out.push(line);
    if (line.startsWith('== ')) {
      conversation?.close();
      conversation = await Conversation.open(address);
      await conversation.ask(multibulk('FLUSHALL'));
      id = (await conversation.ask(multibulk('CLIENT', 'ID'))).reply;
    }
    if (!line.startsWith('>')) continue;
    if (conversation === null) throw new Error(`a request before the first ==: ${line}`);
    const raw = line.startsWith('>> ');
    const request = raw ? unescapeText(line.slice(3)) : multibulk(...words(line.slice(2)));
    const { reply, closed } = await conversation.ask(request);
    out.push(`< ${escapeText(reply.replace(`id\r\n${id}`, 'id\r\n:{id}\r\n'))}`);
    if (closed) out.push('closed');
  }
  conversation?.close();
  writeFileSync(path, out.join('\n'), 'latin1');
}

const [address, ...paths] = process.argv.slice(2);
if (address === undefined || paths.length === 0) throw new Error('usage: record-resp.ts HOST:PORT FILE…');
for (const path of paths) await record(address, path);
