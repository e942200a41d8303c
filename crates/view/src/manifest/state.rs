//! What the manifest says, and the edits that change it.
//!
//! An edit carries everything that it changes in full, so a state is the fold of its edits, and the first edit of a log
//! makes the whole state from nothing. An edit that contradicts the state it is applied to is corruption.

use std::collections::BTreeMap;

use crate::bytes::{Reader, put_bytes};
use crate::run::meta::RunMeta;

const RESET: u8 = 1;
const HAS_CATALOG: u8 = 2;

/// The durable part of one arrangement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arrangement {
    pub(crate) identity: Vec<u8>,
    /// Newest first.
    pub(crate) runs: Vec<RunMeta>,
}

/// The durable state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) next_file: u64,
    pub(crate) epoch: u64,
    pub(crate) lsn: u64,
    pub(crate) catalog: Vec<u8>,
    pub(crate) arrangements: BTreeMap<u32, Arrangement>,
}

/// A change of one arrangement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ArrangementEdit {
    /// Only for an arrangement that is new.
    pub(crate) identity: Option<Vec<u8>>,
    pub(crate) removed: Vec<u128>,
    /// Take the place of the removed runs, or come first.
    pub(crate) added: Vec<RunMeta>,
}

/// A change of the state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Edit {
    /// Forget everything before.
    pub(crate) reset: bool,
    pub(crate) next_file: u64,
    pub(crate) epoch: u64,
    pub(crate) lsn: u64,
    pub(crate) catalog: Option<Vec<u8>>,
    pub(crate) dropped: Vec<u32>,
    pub(crate) arrangements: BTreeMap<u32, ArrangementEdit>,
}

impl State {
    /// The edit that makes this state from nothing.
    pub(crate) fn snapshot(&self) -> Edit {
        let edit = |arrangement: &Arrangement| ArrangementEdit {
            identity: Some(arrangement.identity.clone()),
            removed: Vec::new(),
            added: arrangement.runs.clone(),
        };
        Edit {
            reset: true,
            catalog: Some(self.catalog.clone()),
            arrangements: self.arrangements.iter().map(|(id, arrangement)| (*id, edit(arrangement))).collect(),
            ..self.unchanged()
        }
    }

    /// An edit that changes nothing.
    pub(crate) fn unchanged(&self) -> Edit {
        Edit { next_file: self.next_file, epoch: self.epoch, lsn: self.lsn, ..Edit::default() }
    }

    /// The state after an edit; `None` if the edit contradicts this state.
    pub(crate) fn apply(&self, edit: &Edit) -> Option<State> {
        let mut next = if edit.reset { State::default() } else { self.clone() };
        next.next_file = edit.next_file;
        next.epoch = edit.epoch;
        next.lsn = edit.lsn;
        if let Some(catalog) = &edit.catalog {
            next.catalog.clone_from(catalog);
        }
        for id in &edit.dropped {
            next.arrangements.remove(id)?;
        }
        for (id, change) in &edit.arrangements {
            if let Some(identity) = &change.identity {
                let fresh = Arrangement { identity: identity.clone(), runs: Vec::new() };
                if next.arrangements.insert(*id, fresh).is_some() {
                    return None;
                }
            }
            let runs = &mut next.arrangements.get_mut(id)?.runs;
            let at = runs.iter().position(|run| change.removed.contains(&run.id)).unwrap_or(0);
            let before = runs.len();
            runs.retain(|run| !change.removed.contains(&run.id));
            if before - runs.len() != change.removed.len() {
                return None;
            }
            runs.splice(at..at, change.added.iter().cloned());
        }
        Some(next)
    }

    /// Every run.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &RunMeta> {
        self.arrangements.values().flat_map(|arrangement| &arrangement.runs)
    }
}

impl Edit {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.push(u8::from(self.reset) * RESET + u8::from(self.catalog.is_some()) * HAS_CATALOG);
        for field in [self.next_file, self.epoch, self.lsn] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        if let Some(catalog) = &self.catalog {
            put_bytes(&mut out, catalog);
        }
        put_count(&mut out, self.dropped.len());
        self.dropped.iter().for_each(|id| out.extend_from_slice(&id.to_le_bytes()));
        put_count(&mut out, self.arrangements.len());
        for (id, change) in &self.arrangements {
            out.extend_from_slice(&id.to_le_bytes());
            out.push(u8::from(change.identity.is_some()));
            if let Some(identity) = &change.identity {
                put_bytes(&mut out, identity);
            }
            put_count(&mut out, change.removed.len());
            change.removed.iter().for_each(|run| out.extend_from_slice(&run.to_le_bytes()));
            put_count(&mut out, change.added.len());
            change.added.iter().for_each(|run| run.encode(&mut out));
        }
        out
    }

    /// `None` unless the bytes are exactly one edit.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Edit> {
        let mut from = Reader::new(bytes);
        let flags = from.u8().filter(|flags| flags & !(RESET | HAS_CATALOG) == 0)?;
        let mut edit = Edit { reset: flags & RESET != 0, ..Edit::default() };
        edit.next_file = from.u64()?;
        edit.epoch = from.u64()?;
        edit.lsn = from.u64()?;
        if flags & HAS_CATALOG != 0 {
            edit.catalog = Some(from.sized()?.to_vec());
        }
        for _ in 0..from.u32()? {
            edit.dropped.push(from.u32()?);
        }
        for _ in 0..from.u32()? {
            let id = from.u32()?;
            if edit.arrangements.insert(id, ArrangementEdit::decode(&mut from)?).is_some() {
                return None;
            }
        }
        from.is_empty().then_some(edit)
    }
}

impl ArrangementEdit {
    fn decode(from: &mut Reader<'_>) -> Option<ArrangementEdit> {
        let mut change = ArrangementEdit::default();
        match from.u8()? {
            0 => {}
            1 => change.identity = Some(from.sized()?.to_vec()),
            _ => return None,
        }
        for _ in 0..from.u32()? {
            change.removed.push(from.u128()?);
        }
        for _ in 0..from.u32()? {
            change.added.push(RunMeta::decode(from)?);
        }
        Some(change)
    }
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&(count as u32).to_le_bytes());
}
