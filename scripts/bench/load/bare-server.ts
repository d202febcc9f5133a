/**
 * A bare RESP server in Node: GET and SET on a Map, nothing else. It is the measure of what sockets and protocol alone
 * cost in Node on this machine. Argument: the port on 127.0.0.1.
 */
import net from 'node:net';

const PORT = Number(process.argv[2]);
const items = new Map<string, string>();

net
  .createServer({ noDelay: true }, (socket) => {
    let rest = '';
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes) => {
      const text = rest + bytes.toString('latin1');
      let at = 0;
      let replies = '';
      for (;;) {
        const command = readCommand(text, at);
        if (command === null) break;
        at = command.end;
        replies += execute(command.words);
      }
      rest = text.slice(at);
      if (replies !== '') socket.write(replies, 'latin1');
    });
  })
  .listen(PORT, '127.0.0.1');

function readCommand(text: string, start: number): { readonly words: string[]; readonly end: number } | null {
  let lineEnd = text.indexOf('\r\n', start);
  if (lineEnd < 0) return null;
  const count = Number(text.slice(start + 1, lineEnd));
  const words: string[] = [];
  let at = lineEnd + 2;
  for (let i = 0; i < count; i++) {
    lineEnd = text.indexOf('\r\n', at);
    if (lineEnd < 0) return null;
    const length = Number(text.slice(at + 1, lineEnd));
    at = lineEnd + 2 + length + 2;
    if (at > text.length) return null;
    words.push(text.slice(lineEnd + 2, at - 2));
  }
  return { words, end: at };
}

function execute([name = '', key = '', value = '']: readonly string[]): string {
  switch (name.toUpperCase()) {
    case 'SET':
      items.set(key, value);
      return '+OK\r\n';
    case 'GET': {
      const found = items.get(key);
      return found === undefined ? '$-1\r\n' : `$${found.length}\r\n${found}\r\n`;
    }
    case 'PING':
      return '+PONG\r\n';
    case 'CONFIG':
      return '*0\r\n'; // redis-benchmark asks for two settings at its start
    default:
      return '-ERR unknown command\r\n';
  }
}
