/** Where a node is reached: one HOST:PORT for each kind of caller. */
export interface NodeAddresses {
  readonly grpc: string;
  readonly peer: string;
  readonly resp: string;
  /** RESP listener that redirects as Redis Cluster does; empty: the node has none. */
  readonly respMoved: string;
  readonly http: string;
}
