/**
 * A client in another language, made from the protos alone: Python's, with the stubs that its plugin for protoc writes.
 * It shows that the service is plain gRPC. Needs Debian's python3-grpcio, python3-protobuf, protobuf-compiler and
 * protobuf-compiler-grpc.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { startSingle } from '../support/live-node.js';
import { Sandbox, type ServerNode } from '../support/process-cluster.js';

const PYTHON = '/usr/bin/python3';
const PLUGIN = '/usr/bin/grpc_python_plugin';
const PACKAGES = 'python3-grpcio python3-protobuf protobuf-compiler protobuf-compiler-grpc';

const PROGRAM = `
import sys
import grpc
from quorate.v1 import cache_pb2, cache_pb2_grpc

with grpc.insecure_channel(sys.argv[1]) as channel:
    cache = cache_pb2_grpc.CacheStub(channel)
    put = cache.Set(cache_pb2.SetRequest(key=b"from python", value=b"hello"), timeout=20)
    assert put.applied and put.version > 0, put
    got = cache.Get(cache_pb2.GetRequest(key=b"from python", with_meta=True), timeout=20)
    assert got.found and got.value == b"hello" and got.version == put.version, got
    one = cache_pb2.Operation(id=7, key=b"counter", increment=cache_pb2.IncrementOperation(delta=-5))
    responses = cache.Pipeline(iter([cache_pb2.PipelineRequest(operations=[one])]), timeout=20)
    results = [result for response in responses for result in response.results]
    assert len(results) == 1 and results[0].id == 7 and results[0].number == -5, results
    try:
        cache.Increment(cache_pb2.IncrementRequest(key=b"from python", delta=1), timeout=20)
        raise SystemExit("an increment of text did not fail")
    except grpc.RpcError as error:
        trailers = dict(error.trailing_metadata())
        told = cache_pb2.Error.FromString(trailers["quorate-error-bin"])
        assert told.reason == cache_pb2.REASON_NOT_A_NUMBER, told
print("all is well")
`;

let sandbox: Sandbox;
let node: ServerNode;

/** What is missing of the tools, or null. */
function missing(): string | null {
  const runs = (command: string, ...words: string[]): boolean => spawnSync(command, words).status === 0;
  if (!runs('protoc', '--version')) return 'protoc';
  if (spawnSync(PLUGIN, { input: '' }).error !== undefined) return PLUGIN;
  return runs(PYTHON, '-c', 'import grpc, google.protobuf') ? null : `modules grpc and google of ${PYTHON}`;
}

const MISSING = missing();

beforeAll(async () => {
  if (MISSING !== null) return;
  sandbox = new Sandbox();
  node = await startSingle(sandbox);
});
afterAll(async () => {
  if (MISSING === null) await sandbox.close();
});

it('a Python client made from the protos sets and gets, streams, and reads why a call failed', (context) => {
  if (MISSING !== null) context.skip(`${MISSING} is not installed (apt-get install ${PACKAGES})`);
  const stubs = sandbox.path('stubs');
  mkdirSync(stubs);
  const generated = spawnSync(
    'protoc',
    [
      `--proto_path=${path.resolve('proto')}`,
      `--python_out=${stubs}`,
      `--grpc_out=${stubs}`,
      `--plugin=protoc-gen-grpc=${PLUGIN}`,
      'quorate/v1/cache.proto',
    ],
    { encoding: 'utf8' },
  );
  expect(generated.stderr).toBe('');
  expect(generated.status).toBe(0);
  const program = sandbox.path('client.py');
  writeFileSync(program, PROGRAM);
  const ran = spawnSync(PYTHON, [program, node.grpc], {
    encoding: 'utf8',
    env: { ...process.env, PYTHONPATH: stubs },
    timeout: 50_000,
  });
  expect(ran.stderr).toBe('');
  expect(ran.stdout.trim()).toBe('all is well');
});
