/**
 * Composition root of a node process: settings and adapters in, `createNode` out, and the process around it. Nothing
 * is decided here but how the process ends: in order when asked, at once and with its reason's exit code when it must
 * (base/fatal.ts), with 70 for whatever nobody expected.
 */
import {
  crc32,
  createFatal,
  createGrpcControlClient,
  createGrpcServer,
  createPinoLogger,
  createPromRenderer,
  createSystemEntropy,
  createTcpPeers,
  describeStartFailure,
  endOnUncaught,
  fatalReasonOf,
  boundBufferGarbage,
  holdYoungMemory,
  httpListeners,
  levelStores,
  lz4Compressor,
  machineMemoryBytes,
  nodeFiles,
  onAskedToEnd,
  readSettings,
  registerProcessMetrics,
  storeSettings,
  systemClock,
  systemTimers,
  tcpStreams,
} from './adapters/index.js';
import { EXIT_CODES, MetricsRegistry, VERSION } from './base/index.js';
import type { Fatal } from './base/index.js';
import type { ServerRequest } from './cli/index.js';
import { createNode } from './node/index.js';
import type { NodePorts } from './node/index.js';
import type { Logger } from './ports/index.js';
import { describeRespListener, memoryPlan } from './settings/index.js';
import type { LoadedSettings, MemoryPlan, NodeSettings } from './settings/index.js';

/** A stop in order takes at most this long; what is acknowledged is safe without it. */
const STOP_MS_MAX = 10_000;

/** Runs a node until it has ended; resolves with the exit code. */
export function runServer(request: ServerRequest): Promise<number> {
  const read = readSettings({ ...request, environment: process.env });
  if (!read.ok) {
    for (const problem of read.problems) process.stderr.write(`quorate: ${problem}\n`);
    return Promise.resolve(EXIT_CODES[read.reason]);
  }
  return new Promise((resolve) => runNode(read.loaded, request.watchParent, resolve));
}

function runNode(loaded: LoadedSettings, watchParent: boolean, ended: (exitCode: number) => void): void {
  const settings = withMemory(loaded.settings);
  const plan = memoryPlan(settings.memory.max);
  if (plan.holdsYoung) holdYoungMemory();
  if (plan.deadBufferBytesMax < Infinity) boundBufferGarbage(plan.deadBufferBytesMax);
  const logger = createPinoLogger({ level: settings.logLevel, fields: { pid: process.pid } });
  const fatal = createFatal(logger);
  endOnUncaught(fatal);
  for (const warning of loaded.warnings) logger.warn('settings', { warning });
  logger.info('starting', {
    version: VERSION,
    nodeVersion: process.version,
    settings,
    givenBy: Object.fromEntries([...loaded.origins].filter(([, origin]) => origin !== 'default')),
  });
  if (!settings.log.sync) {
    logger.warn('unsafe: log.sync is false, acknowledged writes are lost with the power');
  }
  if (settings.insecure) logger.warn('insecure: whoever reaches the listening addresses may do anything');

  const node = createNode(createPorts(settings, plan, logger, fatal), settings);
  onAskedToEnd(watchParent, (why) => {
    logger.info('stopping', { why });
    const timer = setTimeout(() => {
      logger.warn('the stop took too long', { stopMsMax: STOP_MS_MAX });
      ended(0);
    }, STOP_MS_MAX);
    node.stop(() => {
      clearTimeout(timer);
      logger.info('stopped');
      ended(0);
    });
  });
  node.start((error) => {
    if (error) {
      fatal(fatalReasonOf(error), describeStartFailure(error, settings.data), error);
      return;
    }
    storeSettings(settings.data, loaded.toStore);
    logger.info('listening', {
      grpc: settings.grpc,
      peer: settings.peer,
      resp: settings.resp.map(describeRespListener),
      http: settings.http,
    });
  });
}

/** What `auto` means here: half of the machine, or of this node's part of it where several run side by side. */
function withMemory(settings: NodeSettings): NodeSettings {
  if (settings.memory.max !== 'auto') return settings;
  const nodesHere = Math.max(1, Number(process.env['QUORATE_NODES_HERE']) || 1);
  return {
    ...settings,
    memory: { ...settings.memory, max: Math.floor(machineMemoryBytes() / 2 / nodesHere) },
  };
}

function createPorts(settings: NodeSettings, plan: MemoryPlan, logger: Logger, fatal: Fatal): NodePorts {
  const metrics = new MetricsRegistry();
  registerProcessMetrics(metrics, VERSION);
  const entropy = createSystemEntropy();
  return {
    clock: systemClock,
    timers: systemTimers,
    entropy,
    logger,
    metrics,
    openStore: levelStores(plan.storeBufferBytes),
    files: nodeFiles,
    crc32,
    compressor: lz4Compressor,
    peers: createTcpPeers({ crc32, logger, metrics, timers: systemTimers, clock: systemClock, entropy }),
    streams: tcpStreams,
    http: httpListeners,
    rpcServer: createGrpcServer({ limits: settings.limits, metrics }),
    controlClient: createGrpcControlClient(),
    renderMetrics: createPromRenderer(metrics),
    fatal,
    observer: null,
  };
}
