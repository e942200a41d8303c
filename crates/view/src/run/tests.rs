//! The format, byte by byte: the worked examples of `FORMAT.md`, a golden file, and readers that get nonsense.

use std::sync::Arc;

use monostable_vfs::{MemoryStorage, Storage};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::KeyExtent;
use crate::bytes::Reader;
use crate::manifest::state::{ArrangementEdit, Edit};
use crate::run::block::{self, Block, BlockBuilder};
use crate::run::fence::{FenceBuilder, Fences};
use crate::run::file::FileRun;
use crate::run::index::{HashIndex, candidates};
use crate::run::meta::RunMeta;
use crate::run::writer::{Bounds, FileWriter, RunWriter};

const FORMAT: &str = include_str!("../../FORMAT.md");

/// The bytes of the `index`-th fenced block of hexadecimal numbers after a heading, without offsets.
fn example(after: &str, index: usize) -> Vec<u8> {
    let text = FORMAT.split_once(after).unwrap().1;
    let fenced = text.split("```text\n").nth(index + 1).unwrap().split("```").next().unwrap();
    let words = fenced.split_whitespace().filter(|word| word.len() == 2);
    words.map(|word| u8::from_str_radix(word, 16).unwrap()).collect()
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
    let mut shown = example("### Worked example", 1);
    let bytes = builder.finish();
    assert_eq!(bytes, shown, "{bytes:02x?}");
    let fences = Fences::parse(shown.clone().into(), 2, 2).unwrap();
    assert_eq!((fences.unit(0), fences.unit(1), fences.len()), (Some(0), Some(1), 2));
    assert_eq!([b"a", b"b"].map(|probe| fences.search(probe)), [(0, 0), (2, 2)]);
    assert_eq!([&b"ab"[..], b"abz", b"ad"].map(|probe| fences.search(probe)), [(0, 1), (1, 1), (2, 2)]);
    shown.push(0);
    assert!(Fences::parse(shown.into(), 2, 2).is_none(), "a byte too many");
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
fn the_golden_file_of_version_1_is_still_what_is_written() {
    let (disk, run) = sample_file();
    let bytes = disk.map("0000000000000003.run", run.meta.file_bytes).unwrap();
    assert_eq!(&bytes[..], include_bytes!("../../golden/run-v1.run"), "the format changed: it needs a new version");
    let mut meta = Vec::new();
    run.meta.encode(&mut meta);
    assert_eq!(RunMeta::decode(&mut Reader::new(&meta)), Some(run.meta.clone()));
    assert_eq!(run.meta.entries, 702);
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
        if let Some(fences) = Fences::parse(bytes.clone().into(), blocks, 1 << 20) {
            let (low, high) = fences.search(&probe);
            prop_assert!(low <= high && high <= fences.len());
        }
        if let Some(block) = Block::parse(&bytes) {
            for slot in 0..block.count.min(600) {
                let _ = (block.entry(slot), block.weight(slot));
            }
            let _ = block.lower_bound(&probe);
        }
        let slots: Vec<u64> = bytes.chunks_exact(8).map(|chunk| chunk.iter().fold(1, |sum, byte| sum << 8 | u64::from(*byte))).collect();
        prop_assert!(candidates(u64::from(bytes.len() as u32) << 40, slots.len(), |at| slots[at]).count() <= slots.len());
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
                let _ = (other.lower_bound(b"m"), other.fences().map(Fences::len), other.block(3).map(|block| block.count));
            }
        }
    }

    #[test]
    fn an_index_finds_every_key(hashes in proptest::collection::hash_set(any::<u64>(), 0..500)) {
        let mut index = HashIndex::with_capacity(hashes.len());
        for (position, hash) in hashes.iter().enumerate() {
            index.insert(*hash, position as u64);
            if position % 3 == 0 {
                index.mark_many();
            }
        }
        for (position, hash) in hashes.iter().enumerate() {
            let found = index.candidates(*hash).find(|candidate| candidate.position == position as u64);
            prop_assert_eq!(found.map(|candidate| candidate.many), Some(position % 3 == 0));
        }
    }
}
