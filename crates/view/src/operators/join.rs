//! `Join`: pairs of rows of two arrangements whose keys agree, with an optional condition on the pair.
//!
//! Delta rule, with `A'` for the left side after the change: `d(A x B) = dA x B + A' x dB`. Both sides are arrangements
//! below this node, so both old and new content is at hand, and a join of an arrangement with itself needs no third term:
//! `dA x A + A' x dA` is all of `A' x A' - A x A`.
//! A key with a NULL in it matches nothing, unless the join says that NULLs are equal. An empty key pairs every row with
//! every row. The condition is evaluated on produced pairs, in chunks.
//! State: none of its own. Cost: one probe of the other side per distinct key in the delta, in key order, plus the
//! produced pairs; at most [`PAIRS_MAX`] pairs are held at a time.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use monostable_types::{Rows, Weight};
use smallvec::SmallVec;

use crate::batch::Batch;
use crate::delta::Delta;
use crate::expression::{Expr, truth};
use crate::failure::Failure;
use crate::hash::key_hash;
use crate::identity;
use crate::layout::{Layout, RowType};
use crate::operators::map::put_expression;
use crate::spine::{Entries, Hit, Seeker, Spine, WARM_KEYS};

/// How many pairs are held before they are handed on.
pub const PAIRS_MAX: usize = 8192;

/// Pairs of rows of two arrangements with equal keys.
#[derive(Debug, Clone)]
pub struct Join {
    /// How many leading columns of the two arrangements' keys must agree; 0 is a cross join.
    pub keys: usize,
    /// Whether two NULLs in a key agree, as in `IS NOT DISTINCT FROM` and in set operations.
    pub null_equals_null: bool,
    /// A condition on the pair: the left row's columns, then the right row's, both in logical order.
    pub residual: Option<Expr>,
}

impl Join {
    /// A join on the first `keys` columns of both arrangements' keys, with SQL's `=`.
    pub fn on(keys: usize) -> Join {
        Join { keys, null_equals_null: false, residual: None }
    }

    /// The same join, but only of pairs for which `condition` is true.
    #[must_use]
    pub fn when(self, condition: Expr) -> Join {
        Join { residual: Some(condition), ..self }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        identity::put_number(out, self.keys as u64);
        out.push(u8::from(self.null_equals_null));
        match &self.residual {
            None => out.push(0),
            Some(condition) => {
                out.push(1);
                put_expression(out, condition);
            }
        }
    }
}

impl fmt::Display for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.keys {
            0 => f.write_str("cross join")?,
            keys => write!(f, "join on {keys} key columns")?,
        }
        f.write_str(if self.residual.is_some() { " with a condition" } else { "" })
    }
}

/// Which side of the join the delta is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// What one probe is about: the two sides' layouts, and what a pair looks like.
#[derive(Clone, Copy)]
pub(crate) struct Shape<'a> {
    pub(crate) join: &'a Join,
    /// The side that changed.
    pub(crate) side: Side,
    /// The layout of the side that changed.
    pub(crate) changed: &'a Layout,
    /// The layout of the other side.
    pub(crate) other: &'a Layout,
    /// The type of a pair.
    pub(crate) row: &'a Arc<RowType>,
}

/// Pairs the entries of `batch` with those of `spine`, chunk by chunk: call [`Probe::next`] until it gives nothing.
pub(crate) struct Probe<'a> {
    shape: Shape<'a>,
    batch: &'a Batch,
    spine: &'a Spine,
    seeker: Seeker<'a>,
    /// The entries of the batch that have the current key.
    group: Range<usize>,
    /// Up to which entry of the batch the other side was warmed.
    warmed: usize,
    matches: Matches<'a>,
    /// The current one of them, and the first entry of the group that it was not paired with yet.
    current: Option<(&'a [u8], Weight, usize)>,
    pairs: Pairs,
}

/// The other side's entries with the current key that were not taken yet.
enum Matches<'a> {
    One(Option<(&'a [u8], Weight)>),
    Several(Box<Entries<'a>>),
}

impl<'a> Matches<'a> {
    fn next(&mut self) -> Result<Option<(&'a [u8], Weight)>, Failure> {
        match self {
            Matches::One(only) => Ok(only.take()),
            Matches::Several(entries) => Ok(entries.next().transpose()?),
        }
    }
}

impl<'a> Probe<'a> {
    pub(crate) fn new(shape: Shape<'a>, batch: &'a Batch, spine: &'a Spine) -> Probe<'a> {
        let matches = Matches::One(None);
        Probe {
            shape,
            batch,
            spine,
            seeker: spine.seeker(batch.len()),
            group: 0..0,
            warmed: 0,
            matches,
            current: None,
            pairs: Pairs::default(),
        }
    }

    /// The next chunk of pairs; `None` at the end. A chunk may be empty where the condition holds for no pair of it.
    pub(crate) fn next(&mut self) -> Result<Option<Delta>, Failure> {
        loop {
            if let Some((entry, weight, from)) = self.current.take() {
                let room = PAIRS_MAX - self.pairs.weights.len();
                let until = self.group.end.min(from + room);
                for index in from..until {
                    let (changed, change) = self.batch.get(index);
                    self.pairs.push(&self.shape, changed, entry, change.mul(weight)?)?;
                }
                if until < self.group.end {
                    self.current = Some((entry, weight, until));
                    return self.hand_on();
                }
            } else if let Some((entry, weight)) = self.matches.next()? {
                self.current = Some((entry, weight, self.group.start));
            } else if self.group.end == self.batch.len() {
                return self.hand_on();
            } else {
                self.next_group()?;
            }
        }
    }

    /// Goes on to the next key of the batch and looks it up on the other side.
    fn next_group(&mut self) -> Result<(), Failure> {
        let keys = self.shape.join.keys;
        let start = self.group.end;
        if start >= self.warmed {
            self.warm(start)?;
        }
        let key = self.key_of(start)?;
        let end = self.batch.prefix_end(start + 1, key);
        self.group = start..end;
        self.matches = Matches::One(None);
        if self.shape.join.null_equals_null || !self.shape.changed.codec().has_null(key, keys)? {
            self.matches = self.matches_of(key, keys == self.shape.other.key().len())?;
        }
        Ok(())
    }

    /// The key of an entry of the batch.
    fn key_of(&self, index: usize) -> Result<&'a [u8], Failure> {
        let entry = self.batch.get(index).0;
        Ok(&entry[..self.shape.changed.codec().prefix_len(entry, self.shape.join.keys)?])
    }

    /// Fetches what looking up the keys from an entry on will read.
    fn warm(&mut self, from: usize) -> Result<(), Failure> {
        self.warmed = self.batch.len().min(from + WARM_KEYS);
        if self.shape.join.keys == self.shape.other.key().len() && self.seeker.can_be_warmed() {
            let hash = |index| self.key_of(index).map(key_hash);
            let hashes: SmallVec<[u64; WARM_KEYS]> = (from..self.warmed).map(hash).collect::<Result<_, _>>()?;
            self.seeker.warm(&hashes);
        }
        Ok(())
    }

    fn matches_of(&mut self, key: &[u8], whole: bool) -> Result<Matches<'a>, Failure> {
        if !whole {
            return Ok(Matches::Several(Box::new(self.spine.prefix(key)?)));
        }
        Ok(match self.seeker.hit(key, key_hash(key))? {
            Hit::Nothing => Matches::One(None),
            Hit::One(entry, weight) => Matches::One(Some((entry, weight))),
            Hit::Several => Matches::Several(Box::new(self.spine.key(key)?)),
        })
    }

    /// Hands on the pairs that were collected, without those for which the condition is not true.
    fn hand_on(&mut self) -> Result<Option<Delta>, Failure> {
        let pairs = std::mem::take(&mut self.pairs);
        if pairs.weights.is_empty() {
            return Ok(None);
        }
        let delta = Delta::encoded(self.shape.row, pairs.rows, pairs.weights);
        match &self.shape.join.residual {
            None => Ok(Some(delta)),
            Some(condition) => {
                let keep = truth(&condition.evaluate(delta.columns()?)?)?;
                Ok(Some(delta.filter(&keep)?))
            }
        }
    }
}

/// Pairs that wait to be handed on, encoded: the left row, then the right row.
#[derive(Default)]
struct Pairs {
    rows: Rows,
    weights: Vec<Weight>,
    scratch: Vec<u32>,
}

impl Pairs {
    fn push(&mut self, shape: &Shape<'_>, changed: &[u8], other: &[u8], weight: Weight) -> Result<(), Failure> {
        let (left, right) = match shape.side {
            Side::Left => ((shape.changed, changed), (shape.other, other)),
            Side::Right => ((shape.other, other), (shape.changed, changed)),
        };
        let scratch = &mut self.scratch;
        self.rows.push_with(|bytes| {
            bytes.reserve(changed.len() + other.len());
            left.0.put_logical(left.1, scratch, bytes)?;
            right.0.put_logical(right.1, scratch, bytes)
        })?;
        self.weights.push(weight);
        Ok(())
    }
}
