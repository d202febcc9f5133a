/** Goal: the page answers GET and HEAD and nothing else, and its address is told when it is taken. */
import { request } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { httpListeners } from '../../../src/adapters/http-listener.js';
import { formatAddress, parseAddress } from '../../../src/adapters/tcp-address.js';
import { QuorateError } from '../../../src/base/index.js';
import type { CloseListener } from '../../../src/ports/index.js';

const closers: CloseListener[] = [];

function listen(
  address = '127.0.0.1:0',
): Promise<{ error: (Error & { code?: string }) | null; bound: string }> {
  return new Promise((resolve) => {
    httpListeners.listen(
      address,
      (path, answer) => {
        const status = path === '/missing' ? 404 : 200;
        setImmediate(() => answer({ status, contentType: 'text/plain', body: `you asked ${path} ü` }));
      },
      (error, bound, close) => {
        if (error === null) closers.push(close);
        resolve({ error, bound });
      },
    );
  });
}

function ask(
  address: string,
  method: string,
  path: string,
): Promise<{ status: number; body: string; type: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({ ...parseAddress(address), method, path }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => (body += part));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body, type: response.headers['content-type'] ?? '' }),
      );
    });
    asked.on('error', reject);
    asked.end();
  });
}

afterEach(async () => {
  for (const close of closers.splice(0)) await new Promise<void>((resolve) => close(resolve));
});

describe('the HTTP page', () => {
  it('answers GET with the handler’s answer, without the query', async () => {
    const { bound } = await listen();
    expect(await ask(bound, 'GET', '/status?x=1')).toEqual({
      status: 200,
      body: 'you asked /status ü',
      type: 'text/plain',
    });
    expect((await ask(bound, 'GET', '/missing')).status).toBe(404);
  });

  it('answers HEAD without a body, and refuses everything else', async () => {
    const { bound } = await listen();
    expect(await ask(bound, 'HEAD', '/')).toMatchObject({ status: 200, body: '' });
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      expect((await ask(bound, method, '/')).status).toBe(405);
    }
  });

  it('says which address is in use', async () => {
    const { bound } = await listen();
    const { error } = await listen(bound);
    expect(error?.code).toBe('EADDRINUSE');
    expect(error?.message).toContain(bound);
  });
});

describe('addresses', () => {
  it('are HOST:PORT, with brackets around an IPv6 host', () => {
    expect(parseAddress('localhost:7600')).toEqual({ host: 'localhost', port: 7600 });
    expect(parseAddress('[::1]:0')).toEqual({ host: '::1', port: 0 });
    expect(formatAddress('::1', 80)).toBe('[::1]:80');
    for (const wrong of ['', 'x', 'x:', ':1', '::1:80', 'x:70000', 'a b:1', '[::1]', 'x:-1']) {
      expect(() => parseAddress(wrong), wrong).toThrow(QuorateError);
    }
  });
});
