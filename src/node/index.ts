/** Level 8: one node, wired from ports and settings. `createNode` is all that the roots and the simulator call. */
export type { CreateNode, Node, NodePorts, NodeSeams, NodeStatus, ReplicaStatus } from './api.js';
export { createNode } from './create-node.js';
