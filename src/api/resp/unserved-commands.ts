/**
 * Commands of Redis that this server does not serve. Saying so is kinder than "unknown command": the reader knows
 * that the spelling was right and the client is not at fault.
 */
const NAMES = `
  acl bgrewriteaof bgsave bitcount bitfield bitfield_ro bitop bitpos blmove blmpop blpop brpop
  brpoplpush bzmpop bzpopmax bzpopmin copy debug discard dump eval eval_ro evalsha evalsha_ro
  exec failover fcall fcall_ro function geoadd geodist geohash geopos georadius georadius_ro
  georadiusbymember georadiusbymember_ro geosearch geosearchstore getbit hdel hexists hget
  hgetall hincrby hincrbyfloat hkeys hlen hmget hmset hrandfield hscan hset hsetnx hstrlen hvals
  lastsave latency lcs lindex linsert llen lmove lmpop lolwut lpop lpos lpush lpushx
  lrange lrem lset ltrim memory migrate module monitor move msetnx multi object pfadd pfcount
  pfdebug pfmerge pfselftest psubscribe psync publish pubsub punsubscribe rename renamenx
  replconf replicaof restore restore-asking role rpop rpoplpush rpush rpushx sadd save scard
  script sdiff sdiffstore setbit shutdown sinter sintercard sinterstore sismember slaveof slowlog
  smembers smismember smove sort sort_ro spop spublish srandmember srem sscan ssubscribe
  subscribe sunion sunionstore sunsubscribe swapdb sync unsubscribe unwatch wait watch xack xadd
  xautoclaim xclaim xdel xgroup xinfo xlen xpending xrange xread xreadgroup xrevrange xsetid
  xtrim zadd zcard zcount zdiff zdiffstore zincrby zinter zintercard zinterstore zlexcount zmpop
  zmscore zpopmax zpopmin zrandmember zrange zrangebylex zrangebyscore zrangestore zrank zrem
  zremrangebylex zremrangebyrank zremrangebyscore zrevrange zrevrangebylex zrevrangebyscore
  zrevrank zscan zscore zunion zunionstore
`;

const UNSERVED: ReadonlySet<string> = new Set(NAMES.split(/\s+/).filter((name) => name !== ''));

/** Whether Redis has a command of this name (in lower case) that isn't served here. */
export function isUnserved(name: string): boolean {
  return UNSERVED.has(name);
}

export function unservedText(name: string): string {
  return `ERR command '${name}' is known to Redis but not served by Quorate yet`;
}
