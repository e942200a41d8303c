//! Redis as the cache: entries as bytes under one prefix, with the server's own expiry and eviction.
//!
//! A lease is a random-free token: the value of a counter under the key's lease name, which a delete increments in the same
//! script that removes the entry; a fill compares and sets in a script. Lookups of several keys are one MGET. The size of
//! the cache is the server's `maxmemory`, which is set for the run together with `allkeys-lfu`, and left as it was found
//! afterwards.

use parking_lot::Mutex;
use redis::{Client, Connection, Script};

use super::local::{decode_entry, encode_entry};
use super::{Cache, Entry, Lease};
use crate::real::clock::now;
use crate::real::error::Result;

/// How long the server keeps an entry after it counts as expired: as long as anybody would serve it.
const GRACE_MS: u64 = 10_000;
const PREFIX: &str = "monostable-lab";

/// A connection for each thread that asks, kept for the next one.
pub struct Redis {
    client: Client,
    idle: Mutex<Vec<Connection>>,
    fill: Script,
    delete: Script,
    entries: u64,
    process: Option<u32>,
}

fn name(key: u64) -> String {
    format!("{PREFIX}:{key}")
}

fn lease_name(key: u64) -> String {
    format!("{PREFIX}:lease:{key}")
}

impl Redis {
    /// Connects, empties what an earlier run left, and bounds the memory to about `entries` of `entry_bytes` each.
    pub fn connect(address: &str, entries: u64, entry_bytes: u64) -> Result<Redis> {
        let url = if address.contains("://") { address.to_owned() } else { format!("redis://{address}") };
        let client = Client::open(url)?;
        let mut connection = client.get_connection()?;
        let info: String = redis::cmd("INFO").arg("server").query(&mut connection)?;
        let process = info.lines().find_map(|line| line.strip_prefix("process_id:")?.trim().parse().ok());
        redis::cmd("FLUSHDB").exec(&mut connection)?;
        let memory: String = redis::cmd("INFO").arg("memory").query(&mut connection)?;
        let used: u64 =
            memory.lines().find_map(|line| line.strip_prefix("used_memory:")?.trim().parse().ok()).unwrap_or(0);
        // Key, lease, dictionary entry and object headers come to about 250 bytes next to the value.
        let bytes = used + entries * (entry_bytes + 250);
        redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(bytes).exec(&mut connection)?;
        redis::cmd("CONFIG").arg("SET").arg("maxmemory-policy").arg("allkeys-lfu").exec(&mut connection)?;
        Ok(Redis {
            client,
            idle: Mutex::new(vec![connection]),
            fill: Script::new(
                "local taken = redis.call('GET', KEYS[2]) or '0'
                 if ARGV[3] ~= '' and taken ~= ARGV[3] then return 0 end
                 redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
                 return 1",
            ),
            delete: Script::new(
                "redis.call('INCR', KEYS[2])
                 redis.call('EXPIRE', KEYS[2], 60)
                 return redis.call('DEL', KEYS[1])",
            ),
            entries,
            process,
        })
    }

    fn with<T>(&self, ask: impl FnOnce(&mut Connection) -> redis::RedisResult<T>) -> Result<T> {
        let idle = self.idle.lock().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.client.get_connection()?,
        };
        let answer = ask(&mut connection)?;
        self.idle.lock().push(connection);
        Ok(answer)
    }
}

impl Cache for Redis {
    fn get(&self, keys: &[u64]) -> Result<Vec<Option<Entry>>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<String> = keys.iter().map(|&key| name(key)).collect();
        let found: Vec<Option<Vec<u8>>> = self.with(|connection| redis::cmd("MGET").arg(names).query(connection))?;
        Ok(found.into_iter().map(|bytes| decode_entry(&bytes?)).collect())
    }

    fn lease(&self, key: u64) -> Result<Lease> {
        let taken: Option<u64> = self.with(|connection| redis::cmd("GET").arg(lease_name(key)).query(connection))?;
        Ok(Lease(taken.unwrap_or(0)))
    }

    fn fill(&self, key: u64, entry: Entry, lease: Option<Lease>) -> Result<bool> {
        let ttl_ms = entry.expires.saturating_sub(now()) / 1000 + GRACE_MS;
        let taken = lease.map_or(String::new(), |Lease(taken)| taken.to_string());
        let mut call = self.fill.key(name(key));
        call.key(lease_name(key)).arg(encode_entry(&entry)).arg(ttl_ms).arg(taken);
        Ok(self.with(|connection| call.invoke::<u64>(connection))? == 1)
    }

    fn delete(&self, key: u64, keep: Option<u64>) -> Result<()> {
        let kept = match keep {
            Some(moment) => self.get(&[key])?.into_iter().flatten().next().map(|entry| (moment, entry)),
            None => None,
        };
        let mut call = self.delete.key(name(key));
        call.key(lease_name(key));
        self.with(|connection| call.invoke::<u64>(connection))?;
        if let Some((moment, mut entry)) = kept {
            // A fill with a newer page may come in between and be replaced by this older one, which says itself that it is
            // out of date: it costs a query, not a wrong answer.
            entry.stale_since.get_or_insert(moment);
            self.fill(key, entry, None)?;
        }
        Ok(())
    }

    fn clear(&self) -> Result<()> {
        self.with(|connection| redis::cmd("FLUSHDB").exec(connection))
    }

    fn settings(&self) -> Vec<(String, String)> {
        let info =
            self.with(|connection| redis::cmd("CONFIG").arg("GET").arg("maxmemory*").query::<Vec<String>>(connection));
        let shown = info.map_or_else(|error| error.to_string(), |pairs| pairs.join(" "));
        vec![
            ("cache".into(), "Redis".into()),
            ("cache entries, about".into(), self.entries.to_string()),
            ("Redis settings".into(), shown),
        ]
    }

    fn process(&self) -> Option<u32> {
        self.process
    }
}
