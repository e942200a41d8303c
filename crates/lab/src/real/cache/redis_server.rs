//! Redis as the cache: entries as bytes under one prefix, with the server's own expiry and eviction.
//!
//! A lease is a random-free token: the value of a counter under the key's lease name, which a delete increments in the same
//! script that removes the entry; a fill compares and sets in a script. Lookups of several keys are one MGET. The size of
//! the cache is the server's `maxmemory`, which is set for the run together with `allkeys-lfu`.
//!
//! A persisted cache has the server's append-only file, synced every second. It is restarted without a new process, because
//! the server is not ours to start: `DEBUG LOADAOF` writes out what is buffered for the file, empties the memory and reads the
//! file. What a real restart has beyond that is the start of a process, and the loss of connections and, of a machine that
//! crashes, of the last second. Calls that come meanwhile wait, as they do for a store; the server would refuse them.
//!
//! All settings are as they were found when the cache is dropped. A laboratory that is killed leaves them.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use redis::{Client, Connection, RedisResult, Script};

use super::local::{decode_entry, encode_entry};
use super::{Cache, Entry, Lease};
use crate::real::bench::CachePlan;
use crate::real::clock::now;
use crate::real::error::{Error, Result};

/// How long the server keeps an entry after it counts as expired: as long as anybody would serve it.
const GRACE_MS: u64 = 10_000;
const PREFIX: &str = "monostable-lab";
/// How often, and after how long each time, it is asked whether the server has begun its file.
const FILE_WAITS_MAX: usize = 3_000;
const FILE_WAIT: Duration = Duration::from_millis(10);

/// A connection for each thread that asks, kept for the next one.
pub struct Redis {
    client: Client,
    idle: Mutex<Vec<Connection>>,
    /// Held by calls, and alone by a restart.
    gate: RwLock<()>,
    fill: Script,
    delete: Script,
    plan: CachePlan,
    process: Option<u32>,
    /// Settings as they were before, in the order in which they were changed.
    found: Vec<(&'static str, String)>,
}

fn name(key: u64) -> String {
    format!("{PREFIX}:{key}")
}

fn setting(connection: &mut Connection, name: &str) -> RedisResult<String> {
    let mut pairs: HashMap<String, String> = redis::cmd("CONFIG").arg("GET").arg(name).query(connection)?;
    Ok(pairs.remove(name).unwrap_or_default())
}

fn set(connection: &mut Connection, name: &str, value: &str) -> RedisResult<()> {
    redis::cmd("CONFIG").arg("SET").arg(name).arg(value).exec(connection)
}

/// A figure of a section of INFO.
fn info(connection: &mut Connection, section: &str, name: &str) -> RedisResult<Option<String>> {
    let text: String = redis::cmd("INFO").arg(section).query(connection)?;
    let found = text.lines().find_map(|line| line.split_once(':').filter(|(key, _)| *key == name));
    Ok(found.map(|(_, value)| value.trim().to_owned()))
}

/// Waits until the server has written the append-only file that it begins when it is told to have one; what changes before
/// that may be missing in it.
fn wait_for_file(connection: &mut Connection) -> Result<()> {
    for _ in 0..FILE_WAITS_MAX {
        let mut is =
            |name, value: &str| Ok::<bool, Error>(info(connection, "persistence", name)?.as_deref() == Some(value));
        if is("aof_enabled", "1")? && is("aof_rewrite_in_progress", "0")? && is("aof_rewrite_scheduled", "0")? {
            return if is("aof_last_bgrewrite_status", "ok")? {
                Ok(())
            } else {
                Err(Error::Ended("Redis' append-only file"))
            };
        }
        std::thread::sleep(FILE_WAIT);
    }
    Err(Error::Ended("the wait for Redis' append-only file"))
}

fn open(address: &str) -> Result<Client> {
    let url = if address.contains("://") { address.to_owned() } else { format!("redis://{address}") };
    Ok(Client::open(url)?)
}

fn lease_name(key: u64) -> String {
    format!("{PREFIX}:lease:{key}")
}

impl Redis {
    /// Why a server cannot be restarted in the way that a persisted cache is, if it cannot.
    pub fn refuses_restart(address: &str) -> Result<Option<String>> {
        let mut connection = open(address)?.get_connection()?;
        match redis::cmd("DEBUG").arg("HELP").exec(&mut connection) {
            Ok(()) => Ok(None),
            Err(error) if error.is_io_error() => Err(error.into()),
            Err(_) => Ok(Some(
                "the laboratory can restart a Redis that it was given the address of only by DEBUG LOADAOF, which this one \
                 refuses; start it with --enable-debug-command local to have it measured"
                    .to_owned(),
            )),
        }
    }

    /// Connects, empties what an earlier run left, and bounds the memory to about as many entries of `entry_bytes` as planned.
    pub fn connect(address: &str, plan: CachePlan, entry_bytes: u64) -> Result<Redis> {
        let client = open(address)?;
        let mut connection = client.get_connection()?;
        let process = info(&mut connection, "server", "process_id")?.and_then(|id| id.parse().ok());
        redis::cmd("FLUSHDB").exec(&mut connection)?;
        let mut cache = Redis {
            client,
            idle: Mutex::default(),
            gate: RwLock::new(()),
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
            plan,
            process,
            found: Vec::new(),
        };
        if plan.persisted {
            cache.change(&mut connection, "appendfsync", "everysec")?;
            cache.change(&mut connection, "appendonly", "yes")?;
            wait_for_file(&mut connection)?;
        }
        // What the server needs for the first script is no part of the cache.
        cache.fill.prepare_invoke().load(&mut connection)?;
        cache.delete.prepare_invoke().load(&mut connection)?;
        let used = info(&mut connection, "memory", "used_memory")?.and_then(|bytes| bytes.parse().ok());
        // Key, lease, dictionary entry and object headers come to about 250 bytes next to the value.
        let bytes = used.unwrap_or(0) + plan.entries * (entry_bytes + 250);
        cache.change(&mut connection, "maxmemory", &bytes.to_string())?;
        cache.change(&mut connection, "maxmemory-policy", "allkeys-lfu")?;
        cache.idle.lock().push(connection);
        Ok(cache)
    }

    /// Sets something for as long as this lives.
    fn change(&mut self, connection: &mut Connection, name: &'static str, value: &str) -> Result<()> {
        let found = setting(connection, name)?;
        set(connection, name, value)?;
        self.found.push((name, found));
        Ok(())
    }

    fn with<T>(&self, ask: impl FnOnce(&mut Connection) -> RedisResult<T>) -> Result<T> {
        let _restart_waits = self.gate.read();
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

impl Drop for Redis {
    fn drop(&mut self) {
        let idle = self.idle.lock().pop();
        let Some(mut connection) = idle.or_else(|| self.client.get_connection().ok()) else { return };
        for (name, value) in self.found.iter().rev() {
            // A server that has gone away has no settings to restore.
            let _ = set(&mut connection, name, value);
        }
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

    fn restart(&self) -> Result<()> {
        if !self.plan.persisted {
            return self.clear();
        }
        let _alone = self.gate.write();
        let mut connection = self.client.get_connection()?;
        Ok(redis::cmd("DEBUG").arg("LOADAOF").exec(&mut connection)?)
    }

    fn settings(&self) -> Vec<(String, String)> {
        let shown = |name| {
            let value = self.with(|connection| setting(connection, name));
            (format!("Redis {name}"), value.unwrap_or_else(|error| error.to_string()))
        };
        let file = if self.plan.persisted { "append-only, read again by DEBUG LOADAOF" } else { "none of ours" };
        vec![
            ("cache".into(), "Redis".into()),
            ("cache entries, about".into(), self.plan.entries.to_string()),
            ("cache file".into(), file.into()),
            shown("maxmemory"),
            shown("maxmemory-policy"),
            shown("appendonly"),
            shown("appendfsync"),
        ]
    }

    fn process(&self) -> Option<u32> {
        self.process
    }
}
