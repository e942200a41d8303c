//! A hash index over the keys of one run: from a key's hash to the position of the key's first entry.
//!
//! Representation: lines of 64 bytes, which is what a processor fetches at once; 64 lines make a page of 4 KiB. A line has 16
//! slots of 4 bytes or, when positions are long, 10 slots of 6. A slot is zero when free, else, from the low bits: the
//! position, one bit that says whether the key has more than one entry (only in runs that have such keys), and a tag of
//! what bits are left, taken from the low end of the hash and never zero. The high end of the hash names the line, so any
//! number of lines will do. A key whose line is full goes to the next line of the same page, round its end. So a probe reads
//! one line, seldom two, and never leaves its page: in a file, a page is what one checksum covers; in memory all is one page.
//! The first four bytes of a page are left free for that checksum.
//!
//! Invariant: a slot is reachable from its home line over full lines only. A probe ends after one round of the page, whatever
//! a writer with a mistake may have put there.
//!
//! The index stores no keys: a candidate must be compared with the entry that it points to. With 7 bits of tag, which is the
//! least that 4 bytes are used with, about one probe in ten for an absent key has a candidate in vain.
//!
//! Cost: at four slots of five in use, 5 bytes per key (7.5 with wide slots). Inserting is one random line per key; an index
//! in memory is given some ten thousand keys at once in the order of their lines, so that neighbours are written together.

/// What one probe reads.
pub(crate) const LINE_BYTES: usize = 64;
/// Lines in a page of a file.
pub(crate) const PAGE_LINES: usize = 64;
const NARROW_SLOTS: usize = 16;
const WIDE_SLOTS: usize = 10;
/// Where the slots of a wide line begin.
const WIDE_START: usize = 4;
/// With fewer bits of tag than this in four bytes, slots are wide.
const TAG_BITS_MIN: u32 = 7;

/// Where a key may start in its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Position of the key's first entry.
    pub(crate) position: u64,
    /// Whether the key has more than one entry in this run.
    pub(crate) many: bool,
}

/// How slots are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexShape {
    lines: usize,
    wide: bool,
    position_bits: u32,
    /// Whether slots have the bit that says so.
    many: bool,
}

/// The bits that a number up to `max` takes.
pub(crate) fn bits_of(max: u64) -> u32 {
    u64::BITS - max.leading_zeros()
}

impl IndexShape {
    /// The shape for positions of so many bits.
    pub(crate) fn new(lines: usize, position_bits: u32, many: bool) -> IndexShape {
        let wide = position_bits + u32::from(many) + TAG_BITS_MIN > 32;
        IndexShape { lines, wide, position_bits, many }
    }

    /// How many lines `keys` keys take. Each `attempt` after the first gives more.
    pub(crate) fn lines_for(&self, keys: usize, attempt: usize) -> usize {
        let per_line = if self.wide { WIDE_SLOTS } else { NARROW_SLOTS } * 4;
        let lines = keys.saturating_mul(5).div_ceil(per_line).max(1);
        lines + attempt * (PAGE_LINES + lines / 8)
    }

    /// Whether slots have 6 bytes.
    pub(crate) fn is_wide(&self) -> bool {
        self.wide
    }

    /// Bits of tag that a slot has.
    fn tag_bits(&self) -> u32 {
        let bits = if self.wide { 48 } else { 32 };
        // A position fits into a slot by the limit on the units of a run, so at least one bit is left.
        u32::saturating_sub(bits, self.position_bits + u32::from(self.many)).max(1)
    }

    /// Where the tag begins.
    fn tag_shift(&self) -> u32 {
        self.position_bits + u32::from(self.many)
    }

    #[inline]
    fn tag(&self, hash: u64) -> u64 {
        (hash & ((1 << self.tag_bits()) - 1)).max(1)
    }

    /// The page of a file that a hash belongs to, and the line in it.
    #[inline]
    pub(crate) fn home(&self, hash: u64) -> (usize, usize) {
        let line = self.line(hash);
        (line / PAGE_LINES, line % PAGE_LINES)
    }

    #[inline]
    fn line(&self, hash: u64) -> usize {
        let product = u128::from(hash) * self.lines as u128;
        (product >> 64) as usize
    }

    /// The candidates for a hash. `line` gives the `lines` lines of the page, and `home` is the one that the hash belongs to.
    /// Ends after one round of the page, whatever is in it.
    #[inline]
    pub(crate) fn candidates<'a>(
        self,
        hash: u64,
        home: usize,
        lines: usize,
        line: impl Fn(usize) -> &'a [u8; LINE_BYTES],
    ) -> impl Iterator<Item = Candidate> {
        let (tag, shift) = (self.tag(hash), self.tag_shift());
        let mut slots = line(home);
        let mut scan = self.scan(slots, tag, shift, home == 0);
        let (mut at, mut left) = (home, lines);
        std::iter::from_fn(move || {
            while scan.hits == 0 {
                left = left.saturating_sub(1);
                if left == 0 || !scan.full {
                    return None;
                }
                at = if at + 1 == lines { 0 } else { at + 1 };
                slots = line(at);
                scan = self.scan(slots, tag, shift, at == 0);
            }
            let slot = scan.hits.trailing_zeros() as usize;
            scan.hits &= scan.hits - 1;
            Some(self.candidate(slots, slot))
        })
    }

    #[inline]
    fn scan(&self, line: &[u8; LINE_BYTES], tag: u64, shift: u32, first: bool) -> Scan {
        if self.wide { scan_wide(line, tag, shift) } else { scan_narrow(line, tag as u32, shift, first) }
    }

    #[inline]
    fn candidate(&self, line: &[u8; LINE_BYTES], slot: usize) -> Candidate {
        let slot = if self.wide { wide_slot(line, slot) } else { u64::from(narrow_slot(line, slot)) };
        let position = slot & ((1 << self.position_bits) - 1);
        Candidate { position, many: self.many && slot >> self.position_bits & 1 != 0 }
    }
}

/// What one line says of a tag.
struct Scan {
    /// The slots with the tag, as bits.
    hits: u32,
    /// Whether the line has no free slot, so that keys of this line may be in the next.
    full: bool,
}

#[inline]
fn narrow_slot(line: &[u8; LINE_BYTES], slot: usize) -> u32 {
    let start = slot * 4;
    u32::from_le_bytes([line[start], line[start + 1], line[start + 2], line[start + 3]])
}

#[inline]
fn wide_slot(line: &[u8; LINE_BYTES], slot: usize) -> u64 {
    let start = WIDE_START + slot * 6;
    let [a, b, c, d, e, f] = [0, 1, 2, 3, 4, 5].map(|byte| line[start + byte]);
    u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
}

/// All slots are compared, so that the compiler can compare several at once. In the first line of a page the place of the
/// first slot belongs to the checksum.
#[inline]
fn scan_narrow(line: &[u8; LINE_BYTES], tag: u32, shift: u32, first: bool) -> Scan {
    let (mut hits, mut free) = ([0u8; NARROW_SLOTS], [0u8; NARROW_SLOTS]);
    for slot in 0..NARROW_SLOTS {
        let value = narrow_slot(line, slot);
        hits[slot] = u8::from(value >> shift == tag) << 7;
        free[slot] = u8::from(value == 0) << 7;
    }
    let used = if first { !1 } else { !0 };
    Scan { hits: gather(hits) & used, full: gather(free) & used == 0 }
}

/// The highest bits of the bytes.
#[inline]
fn gather(bytes: [u8; NARROW_SLOTS]) -> u32 {
    bytes.iter().enumerate().fold(0, |mask, (at, byte)| mask | u32::from(byte >> 7) << at)
}

#[inline]
fn scan_wide(line: &[u8; LINE_BYTES], tag: u64, shift: u32) -> Scan {
    let (mut hits, mut free) = (0, 0);
    for slot in 0..WIDE_SLOTS {
        let value = wide_slot(line, slot);
        hits |= u32::from(value >> shift == tag) << slot;
        free |= u32::from(value == 0) << slot;
    }
    Scan { hits, full: free == 0 }
}

/// A key on its way into an index: the position of its first entry, and whether it has more than one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IndexKey {
    pub(crate) hash: u64,
    pub(crate) position: u32,
    pub(crate) many: bool,
}

/// So many keys are put into the order of their lines at once, by so many of the highest bits of their hashes: they lie in the
/// processor's caches, and memory that is used once need not be cleared for all keys of a long run.
pub(crate) const ORDERED_KEYS: usize = 32 * 1024;
const ORDERED_BITS: u32 = 8;

/// A line where the processor wants it.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Line([u8; LINE_BYTES]);

/// An index in memory, complete or being built.
#[derive(Debug)]
pub(crate) struct HashIndex {
    shape: IndexShape,
    lines: Vec<Line>,
    /// Lines in a page: a key whose page is full has no place.
    page: usize,
    /// Line and slot of the key that was inserted last.
    last: (usize, usize),
}

impl HashIndex {
    /// An empty index for a run in memory: room for `keys` keys at positions below `positions`.
    pub(crate) fn with_room(keys: usize, positions: usize) -> HashIndex {
        let mut shape = IndexShape::new(0, bits_of(positions as u64).max(1), true);
        shape.lines = shape.lines_for(keys, 0);
        HashIndex { shape, lines: vec![Line([0; LINE_BYTES]); shape.lines], page: shape.lines, last: (0, 0) }
    }

    /// Adds keys that are not in the index yet, in the order of their lines, and takes them out of `keys`; best about
    /// [`ORDERED_KEYS`] at once. `ordered` is overwritten.
    pub(crate) fn take(&mut self, keys: &mut Vec<IndexKey>, ordered: &mut Vec<IndexKey>) {
        by_line(keys, ordered);
        for key in ordered {
            self.insert(key.hash, key.position.into());
            if key.many {
                self.mark_many();
            }
        }
        keys.clear();
    }

    /// An empty index for a file: room for `keys` keys in whole pages. Each `attempt` after the first gives more room.
    pub(crate) fn paged(keys: usize, position_max: u64, many: bool, attempt: usize) -> HashIndex {
        let mut shape = IndexShape::new(0, bits_of(position_max).max(1), many);
        shape.lines = shape.lines_for(keys, attempt).next_multiple_of(PAGE_LINES);
        HashIndex { shape, lines: vec![Line([0; LINE_BYTES]); shape.lines], page: PAGE_LINES, last: (0, 0) }
    }

    /// Adds a key that is not in the index yet. `false` if its page is full, which happens in a file, once in a million million
    /// pages: the index must then be built again with more room.
    pub(crate) fn insert(&mut self, hash: u64, position: u64) -> bool {
        let home = self.shape.line(hash);
        let start = self.page_start(home);
        let value = self.shape.tag(hash) << self.shape.tag_shift() | position;
        let mut next = home - start;
        for _ in 0..self.page {
            let at = next;
            next = if at + 1 == self.page { 0 } else { at + 1 };
            if let Some(slot) = put(&mut self.lines[start + at].0, self.shape.wide, value, at == 0) {
                self.last = (start + at, slot);
                return true;
            }
        }
        false
    }

    /// The first line of the page in which a line is. An index in memory is one page, and others have pages of one size: nothing is
    /// divided.
    #[inline]
    fn page_start(&self, line: usize) -> usize {
        if self.page == self.lines.len() { 0 } else { line / PAGE_LINES * PAGE_LINES }
    }

    /// Says that the key inserted last has more than one entry. Only in an index with `many`.
    pub(crate) fn mark_many(&mut self) {
        debug_assert!(self.shape.many);
        let (line, slot) = self.last;
        mark(&mut self.lines[line].0, self.shape.wide, slot, 1 << self.shape.position_bits);
    }

    /// The candidates for a hash.
    #[inline]
    pub(crate) fn candidates(&self, hash: u64) -> impl Iterator<Item = Candidate> + '_ {
        let home = self.shape.line(hash);
        let start = self.page_start(home);
        self.shape.candidates(hash, home - start, self.page, move |at| &self.lines[start + at].0)
    }

    /// A byte of the line of a hash, for whoever wants the line in the caches.
    pub(crate) fn first_byte(&self, hash: u64) -> u8 {
        self.lines[self.shape.line(hash)].0[0]
    }

    /// The pages, for writing them to a file; the checksum's place is zero.
    pub(crate) fn pages(&self) -> impl ExactSizeIterator<Item = Vec<u8>> + '_ {
        self.lines.chunks(PAGE_LINES).map(|lines| lines.iter().flat_map(|line| line.0).collect())
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.lines.len() * LINE_BYTES
    }
}

/// Gives `ordered` the keys in the order of their hashes' highest bits, which is that of their lines.
fn by_line(keys: &[IndexKey], ordered: &mut Vec<IndexKey>) {
    let part = |key: &IndexKey| (key.hash >> (u64::BITS - ORDERED_BITS)) as usize;
    let mut places = [0_usize; 1 << ORDERED_BITS];
    keys.iter().for_each(|key| places[part(key)] += 1);
    let mut before = 0;
    for place in &mut places {
        (*place, before) = (before, before + *place);
    }
    ordered.resize(keys.len(), IndexKey::default());
    for key in keys {
        let place = &mut places[part(key)];
        ordered[*place] = *key;
        *place += 1;
    }
}

/// Puts a value into the first free slot of a line, and tells which; `None` if there is none.
fn put(line: &mut [u8; LINE_BYTES], wide: bool, value: u64, first: bool) -> Option<usize> {
    let slot = if wide {
        (0..WIDE_SLOTS).find(|&slot| wide_slot(line, slot) == 0)?
    } else {
        (usize::from(first)..NARROW_SLOTS).find(|&slot| narrow_slot(line, slot) == 0)?
    };
    mark(line, wide, slot, value);
    Some(slot)
}

/// Sets bits of a slot.
fn mark(line: &mut [u8; LINE_BYTES], wide: bool, slot: usize, bits: u64) {
    let place = if wide { WIDE_START + slot * 6..WIDE_START + slot * 6 + 6 } else { slot * 4..slot * 4 + 4 };
    line[place].iter_mut().zip(bits.to_le_bytes()).for_each(|(byte, bits)| *byte |= bits);
}

/// How many slots of a page are in use.
pub(crate) fn used_slots(page: &[u8], wide: bool) -> u64 {
    let (lines, _) = page.as_chunks::<LINE_BYTES>();
    let used = |(at, line): (usize, &[u8; LINE_BYTES])| match wide {
        true => (0..WIDE_SLOTS).filter(|&slot| wide_slot(line, slot) != 0).count() as u64,
        false => (usize::from(at == 0)..NARROW_SLOTS).filter(|&slot| narrow_slot(line, slot) != 0).count() as u64,
    };
    lines.iter().enumerate().map(used).sum()
}
