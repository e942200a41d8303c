//! The format, byte by byte: the worked examples of `FORMAT.md`, a golden file, and readers that get nonsense.

use std::sync::Arc;

use monostable_vfs::{MemoryStorage, Storage};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::bytes::Reader;
use crate::hash::key_hash;
use crate::manifest::state::{ArrangementEdit, Edit};
use crate::run::block::{self, Block, BlockBuilder};
use crate::run::fence::{FAN_OUT, FenceBuilder, FencePage, levels};
use crate::run::file::{FileCursor, FileRun, RunFile, WARM_STEPS};
use crate::run::footer;
use crate::run::index::{Candidate, HashIndex, IndexKey, IndexShape, LINE_BYTES, ORDERED_KEYS, bits_of, used_slots};
use crate::run::meta::RunMeta;
use crate::run::writer::{Bounds, FileWriter, RunWriter};
use crate::{Error, KeyExtent};

const FORMAT: &str = include_str!("../../FORMAT.md");

/// The bytes of the `index`-th fenced block of hexadecimal numbers after a heading, without offsets.
fn example(after: &str, index: usize) -> Vec<u8> {
    let text = FORMAT.split_once(after).unwrap().1;
    let fenced = text.split("```text\n").nth(index + 1).unwrap().split("```").next().unwrap();
    let words = fenced.split_whitespace().filter(|word| word.len() == 2);
    words.map(|word| u8::from_str_radix(word, 16).unwrap()).collect()
}

/// A page from the lines of such a block, which say where their bytes go; the rest is zero.
fn example_page(after: &str, index: usize) -> Vec<u8> {
    let text = FORMAT.split_once(after).unwrap().1;
    let fenced = text.split("```text\n").nth(index + 1).unwrap().split("```").next().unwrap();
    let mut page = vec![0; 4096];
    for line in fenced.lines() {
        let (offset, bytes) = line.split_once("  ").unwrap();
        let offset = usize::from_str_radix(offset, 16).unwrap();
        for (at, byte) in bytes.split_whitespace().enumerate() {
            page[offset + at] = u8::from_str_radix(byte, 16).unwrap();
        }
    }
    page
}

#[test]
fn the_worked_block_is_what_is_written_and_what_is_read() {
    let mut builder = BlockBuilder::default();
    builder.push(b"a", 1);
    builder.push(b"bc", -1);
    let mut bytes = Vec::new();
    assert_eq!(builder.finish(7, 0, &mut bytes), 1);
    let shown = example("### Worked example", 0);
    let mut expected = vec![0; 4096];
    expected[..25].copy_from_slice(&shown[..25]);
    expected[4094..].copy_from_slice(&shown[25..]);
    assert_eq!(bytes, expected, "{:02x?}", &bytes[..4]);
    assert!(block::verifies(&expected, 7, 0));
    assert!(!block::verifies(&expected, 7, 1) && !block::verifies(&expected, 8, 0), "a block in a wrong place");
    let read = Block::parse(&expected).unwrap();
    assert_eq!((read.entry(0), read.weight(0)), (Some(&b"a"[..]), Some(1)));
    assert_eq!((read.entry(1), read.weight(1)), (Some(&b"bc"[..]), Some(-1)));
    assert_eq!(read.entry(2), None);
}

#[test]
fn the_worked_fences_are_what_is_written_and_what_is_read() {
    let mut builder = FenceBuilder::default();
    builder.push(b"ab", 0);
    builder.push(b"ac", 1);
    let pages = builder.finish();
    assert_eq!(pages.len(), 1);
    let shown = example_page("### Worked example", 1);
    assert_eq!(pages[0], shown);
    let page = FencePage::parse(&shown).unwrap();
    assert_eq!((page.unit(0), page.unit(1), page.unit(2)), (Some(0), Some(1), None));
    assert_eq!([b"a", b"b"].map(|probe| page.search(probe)), [(0, 0), (2, 2)]);
    assert_eq!([&b"ab"[..], b"abz", b"ad"].map(|probe| page.search(probe)), [(0, 1), (1, 1), (2, 2)]);
    assert!(FencePage::parse(&shown[1..]).is_none(), "a byte too few");
}

#[test]
fn the_worked_index_is_what_is_written_and_what_is_read() {
    let mut index = HashIndex::paged(2, 3, false, 0);
    assert!(index.insert(key_hash(b"a"), 1) && index.insert(key_hash(b"b"), 2));
    let pages: Vec<Vec<u8>> = index.pages().collect();
    assert_eq!(pages.len(), 1);
    assert_eq!(pages[0], example_page("### Worked example", 2), "{:?}", dump(&pages[0]));
}

/// What a page holds that is not zero, by offset.
fn dump(page: &[u8]) -> Vec<String> {
    let words = page.chunks(4).enumerate().filter(|(_, word)| *word != [0; 4]);
    words.map(|(at, word)| format!("{:04x} {word:02x?}", at * 4)).collect()
}

#[test]
fn fences_of_several_levels_find_every_block() {
    let blocks = FAN_OUT * 2 + 5;
    let mut builder = FenceBuilder::default();
    (0..blocks as u32).for_each(|block| builder.push(&(block * 2).to_be_bytes(), block * 3));
    let pages = builder.finish();
    assert_eq!(levels(blocks as u64).collect::<Vec<_>>(), [3, 1]);
    assert_eq!(pages.len(), 4);
    let root = FencePage::parse(&pages[3]).unwrap();
    for block in 0..blocks as u32 {
        let probe = (block * 2 + 1).to_be_bytes();
        let (low, high) = root.search(&probe);
        assert_eq!(low, high);
        let leaf = FencePage::parse(&pages[low - 1]).unwrap();
        let (low, high) = leaf.search(&probe);
        assert_eq!((low, leaf.unit(low - 1)), (high, Some(u64::from(block) * 3)));
        assert_eq!(leaf.before(u64::from(block) * 3 + 1), low);
    }
    assert_eq!(levels(1).count(), 0);
}

#[test]
fn the_worked_edit_is_what_is_written_and_what_is_read() {
    let shown = example("### Worked example\n\nThe payload", 0);
    let change = ArrangementEdit { identity: Some(b"i".to_vec()), removed: vec![], added: vec![] };
    let edit = Edit {
        reset: true,
        next_file: 1,
        epoch: 2,
        lsn: 3,
        catalog: Some(b"c".to_vec()),
        dropped: vec![],
        arrangements: [(5, change)].into(),
    };
    assert_eq!(edit.encode(), shown);
    assert_eq!(Edit::decode(&shown), Some(edit));
}

/// A run file with one run that uses every shape of block.
fn sample_file() -> (MemoryStorage, FileRun) {
    let disk = MemoryStorage::new();
    let mut file = FileWriter::create(&disk, 3).unwrap();
    let mut run = RunWriter::start(&mut file, 7, &KeyExtent::Whole);
    run.push(&mut file, &KeyExtent::Whole, b"", 1).unwrap();
    for at in 0..400u16 {
        run.push(&mut file, &KeyExtent::Whole, &[&at.to_be_bytes()[..], &[b'x'; 20]].concat(), 1).unwrap();
    }
    run.push(&mut file, &KeyExtent::Whole, &[b'l'; 9000], i64::MIN).unwrap();
    for at in 0..300u16 {
        let entry = [&[b'm'][..], &at.to_be_bytes(), &vec![b'y'; usize::from(at % 40)]].concat();
        run.push(&mut file, &KeyExtent::Whole, &entry, i64::from(at) - 400).unwrap();
    }
    run.finish(&mut file, Bounds { epochs: (1, 2), lsns: (3, 4) }).unwrap();
    let (file, mut runs) = file.finish(&disk).unwrap();
    (disk, FileRun::new(file, runs.pop().unwrap(), 1).unwrap())
}

#[test]
fn the_golden_file_of_version_2_is_still_what_is_written() {
    let (disk, run) = sample_file();
    let bytes = disk.map("0000000000000003.run", run.meta.file_bytes).unwrap();
    assert_eq!(&bytes[..], include_bytes!("../../golden/run-v2.run"), "the format changed: it needs a new version");
    let mut meta = Vec::new();
    run.meta.encode(&mut meta);
    assert_eq!(RunMeta::decode(&mut Reader::new(&meta)), Some(run.meta.clone()));
    assert_eq!((run.meta.entries, run.meta.index_units), (702, 1));
}

#[test]
fn a_file_of_version_1_says_so() {
    let disk = MemoryStorage::new();
    let bytes = include_bytes!("../../golden/run-v1.run");
    disk.create("0000000000000003.run").unwrap().write_at(0, bytes).unwrap();
    let mapping = disk.map("0000000000000003.run", bytes.len() as u64).unwrap();
    let file = RunFile { name: "0000000000000003.run".to_owned(), mapping };
    let error = footer::check_header(&file, 3).unwrap_err();
    assert!(matches!(error, Error::UnsupportedVersion { version: 1, supported: 2, .. }), "{error}");
}

/// Goes through all stretches of all steps, of which there are at most so many.
fn warm_all(run: &FileRun, stretches_max: usize) -> usize {
    let stretches = |step| std::iter::successors(Some(run.warm_start(step)), move |unit| run.warm(step, *unit));
    let count = WARM_STEPS.into_iter().flat_map(stretches).take(stretches_max + 1).count();
    assert!(count <= stretches_max, "warming ends");
    count
}

#[test]
fn warming_verifies_indexes_and_blocks() {
    let (_disk, run) = sample_file();
    assert_eq!(warm_all(&run, 9), WARM_STEPS.len(), "a short run takes a stretch for each step");
    let mut unit = 0;
    while unit < run.meta.units {
        assert!(run.is_verified(unit), "{unit}");
        unit += run.read_block(unit, false).unwrap().units();
    }
    assert!((run.meta.units..run.meta.all_units()).all(|unit| run.is_verified(unit)));
}

#[test]
fn warming_leaves_damage_to_the_reader() {
    let (disk, run) = sample_file();
    let name = "0000000000000003.run";
    let bytes = disk.map(name, run.meta.file_bytes).unwrap().bytes().to_vec();
    for unit in 0..run.meta.all_units() {
        let disk = MemoryStorage::new();
        let mut damaged = bytes.clone();
        damaged[(run.meta.data_offset + unit * 4096) as usize + 100] ^= 1;
        disk.create(name).unwrap().write_at(0, &damaged).unwrap();
        let mapping = disk.map(name, run.meta.file_bytes).unwrap();
        let file = Arc::new(RunFile { name: name.to_owned(), mapping });
        let run = FileRun::new(file, run.meta.clone(), 1).unwrap();
        warm_all(&run, 9);
        assert!(!run.is_verified(unit));
        let (mut cursor, mut rest) = (FileCursor::new(&run, false), run.everything());
        let mut read = || {
            while !rest.is_empty() {
                cursor.take_first(&mut rest)?;
            }
            Ok::<(), Error>(())
        };
        assert_eq!(read().is_err(), unit < run.meta.units, "unit {unit}");
    }
}

#[test]
fn a_position_from_nowhere_is_an_error() {
    let (_disk, run) = sample_file();
    for position in [1 << 47, run.everything().end, run.everything().end - 1, u64::MAX >> 16, 0xffff] {
        assert!(run.entry(position).is_err(), "{position:x}");
    }
    assert!(run.entry(0).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 2, ..ProptestConfig::default() })]

    #[test]
    fn readers_of_nonsense_do_not_panic(bytes in vec(any::<u8>(), 0..300), blocks in 0..20u64, probe in vec(any::<u8>(), 0..9)) {
        let _ = RunMeta::decode(&mut Reader::new(&bytes));
        let _ = Edit::decode(&bytes);
        let page: Vec<u8> = bytes.iter().copied().chain(std::iter::repeat(7)).take(4096).collect();
        if let Some(page) = FencePage::parse(&page) {
            let (low, high) = page.search(&probe);
            prop_assert!(low <= high && high <= FAN_OUT && page.before(9) <= FAN_OUT);
        }
        if let Some(block) = Block::parse(&bytes) {
            for slot in 0..block.count.min(600) {
                let _ = (block.entry(slot), block.weight(slot));
            }
            let _ = block.lower_bound(&probe);
        }
        // A full page of nonsense: the search goes round it once and ends.
        let (lines, _) = page.as_chunks::<LINE_BYTES>();
        for position_bits in [1, 20, 24, 30, 44] {
            let shape = IndexShape::new(blocks as usize * 64 + 64, position_bits, true);
            let hash = u64::from(bytes.len() as u32) << 40 | blocks;
            let found = shape.candidates(hash, shape.home(hash).1, 64, |at| &lines[at]).count();
            prop_assert!(found <= 64 * 16);
        }
    }

    #[test]
    fn metadata_with_a_changed_byte_is_refused_or_still_possible(at in 0usize..250, value in any::<u8>()) {
        let (_disk, run) = sample_file();
        let mut bytes = Vec::new();
        run.meta.encode(&mut bytes);
        let at = at % bytes.len();
        bytes[at] = value;
        if let Some(meta) = RunMeta::decode(&mut Reader::new(&bytes)) {
            // Whatever is accepted can be opened and asked without a panic.
            if let Ok(other) = FileRun::new(Arc::clone(&run.file), meta, 1) {
                warm_all(&other, 100_000);
                let _ = (other.lower_bound(b"m"), other.locate(b"m", 7, &KeyExtent::Whole), other.block(3).map(|block| block.count));
            }
        }
    }

    #[test]
    fn an_index_finds_every_key(
        hashes in proptest::collection::hash_set(any::<u64>(), 0..2000),
        position_max in prop_oneof![Just(1u64 << 11), Just(1 << 24), Just(1 << 25), Just(1 << 44)],
        paged: bool,
        crowded: bool,
    ) {
        // Crowded: all hashes belong to few lines, which overflow into their page.
        let hashes: Vec<u64> = hashes.iter().map(|hash| if crowded { hash % (1 << 61) } else { *hash }).take(position_max as usize).collect();
        let build = |attempt| {
            let numbered = || hashes.iter().enumerate();
            if !paged {
                let key = |(at, hash): (usize, &u64)| IndexKey { hash: *hash, position: at as u32, many: at % 3 == 0 };
                return Some(index_of(&numbered().map(key).collect::<Vec<_>>(), hashes.len(), 300));
            }
            let mut index = HashIndex::paged(hashes.len(), position_max, true, attempt);
            let insert = |(at, hash): (usize, &u64)| {
                let inserted = index.insert(*hash, position_max - at as u64);
                if inserted && at % 3 == 0 {
                    index.mark_many();
                }
                inserted
            };
            numbered().all(insert).then_some(index)
        };
        let Some(index) = (0..40).find_map(build) else { return Err(TestCaseError::fail("no room in 40 attempts")) };
        for (at, hash) in hashes.iter().enumerate() {
            let position = if paged { position_max - at as u64 } else { at as u64 };
            let wanted = Candidate { position, many: at % 3 == 0 };
            prop_assert!(index.candidates(*hash).any(|candidate| candidate == wanted));
        }
        if paged {
            let wide = IndexShape::new(64, bits_of(position_max), true).is_wide();
            let used: u64 = index.pages().map(|page| used_slots(&page, wide)).sum();
            prop_assert_eq!(used, hashes.len() as u64);
        }
    }
}

fn index_of(keys: &[IndexKey], positions: usize, at_once: usize) -> HashIndex {
    let mut index = HashIndex::with_room(keys.len(), positions);
    keys.chunks(at_once).for_each(|keys| index.take(&mut keys.to_vec(), &mut Vec::new()));
    index
}

#[test]
fn an_index_that_is_filled_in_the_order_of_its_lines_finds_every_key() {
    let hash =
        |at: u64| (at + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let keys: Vec<IndexKey> =
        (0..40_000).map(|at| IndexKey { hash: hash(at), position: 2 * at as u32, many: at % 3 == 0 }).collect();
    let index = index_of(&keys, 80_000, ORDERED_KEYS);
    for IndexKey { hash, position, many } in keys {
        let wanted = Candidate { position: position.into(), many };
        assert!(index.candidates(hash).any(|candidate| candidate == wanted));
    }
}
