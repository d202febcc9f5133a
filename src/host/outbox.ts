/** One Raft frame per peer and turn: messages of all groups for a node are collected and leave together. */
import type { GroupId, NodeId } from '../base/index.js';
import { RaftFrameWriter, type RaftFrameHeader } from '../codec/index.js';
import type { Message } from '../raft/index.js';

/** A frame is sent early when it grows past this, so that one turn's entries do not pile up in one buffer. */
const FRAME_BYTES_MAX = 4 * 1024 * 1024;

interface Box {
  readonly writer: RaftFrameWriter;
  open: boolean;
}

export class Outbox {
  private readonly boxes = new Map<NodeId, Box>();
  private readonly pending: NodeId[] = [];

  constructor(
    private readonly header: () => RaftFrameHeader,
    private readonly send: (to: NodeId, frame: Uint8Array) => void,
  ) {}

  add(to: NodeId, group: GroupId, message: Message): void {
    const box = this.boxOf(to);
    if (!box.open) this.begin(to, box);
    box.writer.add(group, message);
    if (box.writer.bytes > FRAME_BYTES_MAX) this.flushBox(to, box);
  }

  /** An empty frame where nothing else goes out: the heartbeat between two nodes. */
  touch(to: NodeId): void {
    const box = this.boxOf(to);
    if (!box.open) this.begin(to, box);
  }

  flush(): void {
    for (const to of this.pending) {
      const box = this.boxes.get(to);
      if (box !== undefined) this.flushBox(to, box);
    }
    this.pending.length = 0;
  }

  private boxOf(to: NodeId): Box {
    let box = this.boxes.get(to);
    if (box === undefined) {
      box = { writer: new RaftFrameWriter(), open: false };
      this.boxes.set(to, box);
    }
    return box;
  }

  private begin(to: NodeId, box: Box): void {
    box.open = true;
    box.writer.begin(this.header());
    this.pending.push(to);
  }

  private flushBox(to: NodeId, box: Box): void {
    if (!box.open) return;
    box.open = false;
    this.send(to, box.writer.finish());
  }
}
