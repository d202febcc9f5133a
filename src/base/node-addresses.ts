/** Where a node is reached: one HOST:PORT for each kind of caller. */
export interface NodeAddresses {
  readonly grpc: string;
  readonly peer: string;
  readonly resp: string;
  readonly http: string;
}
