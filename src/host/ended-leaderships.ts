/**
 * Leaderships that ended here, for the headers of this node's frames. They are numbered, so that who misses some
 * notices; the groups themselves are told for a while only.
 */
import type { GroupId, MonoMs } from '../base/index.js';
import type { LeadershipEndings } from '../codec/index.js';

const TELL_MS = 2000;
/** More in that time are not listed: who has not heard of them wakes all that follow this node. */
const GROUPS_MAX = 64;

export class EndedLeaderships {
  /** Groups led here. */
  private readonly led = new Set<GroupId>();
  private number = 0;
  private groups: GroupId[] = [];
  private lastAtMs: MonoMs = 0;

  onRole(group: GroupId, leads: boolean, nowMs: MonoMs): void {
    if (leads) {
      this.led.add(group);
      return;
    }
    if (!this.led.delete(group)) return;
    this.number++;
    this.groups = [...this.groups.slice(1 - GROUPS_MAX), group];
    this.lastAtMs = nowMs;
  }

  /** Undefined while none has ended. */
  toTell(nowMs: MonoMs): LeadershipEndings | undefined {
    if (this.number === 0) return undefined;
    if (this.groups.length > 0 && nowMs - this.lastAtMs > TELL_MS) this.groups = [];
    return { number: this.number, groups: this.groups };
  }
}
