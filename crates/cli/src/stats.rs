//! `monostable stats`: what is where, how large it is, and who shares it.
//!
//! The figures are the library's; here they are only laid out, as tables or as one JSON object. Nothing is written but
//! what opening needs.

use comfy_table::{CellAlignment, Table, presets};
use monostable::Stats;
use serde_json::{Value, json};

use crate::arguments::{self, StatsFormat};
use crate::console::say;
use crate::directory;
use crate::failure::Result;
use crate::open::open_to_look;

/// Runs the subcommand.
pub(crate) fn run(arguments: &arguments::Stats) -> Result<()> {
    directory::must_exist(&arguments.directory)?;
    let db = open_to_look(&arguments.directory)?;
    let stats = db.stats();
    let bytes_on_disk = directory::bytes(&arguments.directory)?;
    db.close()?;
    match arguments.format {
        StatsFormat::Json => say!("{}", json(&stats, bytes_on_disk)),
        StatsFormat::Table => write_tables(&stats, bytes_on_disk),
    }
}

fn json(stats: &Stats, bytes_on_disk: u64) -> Value {
    let log = stats.log.as_ref().map(|log| json!({ "durable_lsn": log.durable.0, "replay_bytes": log.replay_bytes }));
    let checkpoint = stats.checkpoint.as_ref().map(|last| json!({ "epoch": last.epoch.0, "lsn": last.lsn.0 }));
    let relation = |one: &monostable::RelationStats| json!({ "name": one.name, "kind": one.kind, "rows": one.rows, "arrangement": one.arrangement, "uses": one.uses });
    let arrangement = |one: &monostable::ArrangementStats| {
        json!({
            "id": one.id, "description": one.description, "rows": one.rows, "memory_bytes": one.memory_bytes,
            "file_bytes": one.file_bytes, "runs": one.runs, "shared_by": one.shared_by,
        })
    };
    json!({
        "epoch": stats.epoch.0,
        "lsn": stats.lsn.0,
        "bytes_on_disk": bytes_on_disk,
        "memory_bytes": stats.memory_bytes,
        "log": log,
        "checkpoint": checkpoint,
        "open": {
            "checkpoint_epoch": stats.open.checkpoint_epoch.0,
            "groups_replayed": stats.open.groups_replayed,
            "bytes_replayed": stats.open.bytes_replayed,
            "runs": stats.open.runs,
            "rebuilt": stats.open.rebuilt,
        },
        "relations": stats.relations.iter().map(relation).collect::<Vec<_>>(),
        "arrangements": stats.arrangements.iter().map(arrangement).collect::<Vec<_>>(),
    })
}

fn write_tables(stats: &Stats, bytes_on_disk: u64) -> Result<()> {
    say!("epoch {}, {} on disk, {} in memory", stats.epoch.0, size(bytes_on_disk), size(stats.memory_bytes))?;
    if let Some(log) = &stats.log {
        say!("log: durable to {}, {} since the last checkpoint", log.durable.0, size(log.replay_bytes))?;
    }
    if let Some(checkpoint) = &stats.checkpoint {
        say!("last checkpoint: epoch {}", checkpoint.epoch.0)?;
    }
    let open = &stats.open;
    say!("opened with {} runs, {} groups replayed ({})", open.runs, open.groups_replayed, size(open.bytes_replayed))?;
    if !open.rebuilt.is_empty() {
        say!("rebuilt at open: {}", open.rebuilt.join(", "))?;
    }
    let mut relations = table(&["name", "kind", "rows", "arrangement", "uses"], &[2, 3]);
    for one in &stats.relations {
        let uses = one.uses.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
        relations.add_row([
            one.name.clone(),
            one.kind.clone(),
            one.rows.to_string(),
            one.arrangement.to_string(),
            uses,
        ]);
    }
    say!("{relations}")?;
    let mut arrangements = table(&["id", "rows", "memory", "files", "runs", "what", "kept for"], &[0, 1, 2, 3, 4]);
    for one in &stats.arrangements {
        let (memory, files) = (size(one.memory_bytes), size(one.file_bytes));
        let numbers = [one.id.to_string(), one.rows.to_string(), memory, files, one.runs.to_string()];
        arrangements.add_row(numbers.into_iter().chain([one.description.clone(), one.shared_by.join(", ")]));
    }
    say!("{arrangements}")
}

fn table(header: &[&str], right: &[usize]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_FULL_CONDENSED).set_header(header);
    for index in right {
        if let Some(column) = table.column_mut(*index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Bytes in the largest unit that leaves a whole number before the point.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = UNITS[0];
    for larger in &UNITS[1..] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    format!("{value:.1} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(5 << 30), "5.0 GiB");
    }
}
