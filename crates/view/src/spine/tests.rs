//! The spine against a map: whatever is pushed, merged, checkpointed and opened again, in any order.

use std::ops::Bound;

use monostable_types::Weight;
use monostable_vfs::MemoryStorage;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::hash::key_hash;
use crate::policy::{MergeChoice, choose};
use crate::samples::{Model, add, batch, checkpoint, content, key, keyed, open, row, settle};

use crate::spine::Hit;
use crate::{ArrangementId, Error, FileMerge, KeyExtent, MemoryMerge, Spine};

#[derive(Clone, Debug)]
enum Action {
    Push(Vec<(i32, u8, i64)>),
    Settle,
    MergeAllInMemory,
    MergeAllFiles,
    Checkpoint,
    Reopen,
}

fn action() -> impl Strategy<Value = Action> {
    let entry = (0..12i32, 0..4u8, -2..=2i64);
    prop_oneof![
        6 => vec(entry.clone(), 1..40).prop_map(Action::Push),
        1 => vec(entry, 200..900).prop_map(Action::Push),
        1 => Just(Action::Settle),
        1 => Just(Action::MergeAllInMemory),
        2 => Just(Action::MergeAllFiles),
        2 => Just(Action::Checkpoint),
        1 => Just(Action::Reopen),
    ]
}

/// Values of very different lengths, one of them longer than a block.
fn entry(at: i32, value: u8) -> Vec<u8> {
    row(at, ["", "v", &"long ".repeat(60), &"longer ".repeat(700)][usize::from(value)])
}

fn config(share: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig { cases: default.cases / share, ..default }
}

proptest! {
    #![proptest_config(config(4))]

    #[test]
    fn a_spine_is_the_sum_of_what_was_pushed(actions in vec(action(), 1..25)) {
        let disk = MemoryStorage::new();
        let (mut store, _) = open(&disk, 0).unwrap();
        let mut spine = Spine::new(keyed());
        let (mut model, mut durable) = (Model::new(), Model::new());
        let mut spine_at_checkpoint = spine.clone();
        for (step, action) in actions.into_iter().enumerate() {
            match action {
                Action::Push(entries) => {
                    let entries: Vec<_> = entries.iter().map(|(at, value, weight)| (entry(*at, *value), *weight)).collect();
                    entries.iter().for_each(|(entry, weight)| add(&mut model, entry, *weight));
                    spine = spine.push(batch(entries)).unwrap();
                }
                Action::Settle => spine = settle(&store, spine).unwrap(),
                Action::MergeAllInMemory => {
                    let runs = 0..spine.shape().memory.len();
                    spine = spine.install(&MemoryMerge::start(&spine, runs).finish().unwrap()).unwrap();
                }
                Action::MergeAllFiles => {
                    let runs = 0..spine.shape().files.len();
                    if runs.len() > 1 {
                        let mut merge = FileMerge::start(&store, &spine, runs).unwrap();
                        merge.advance(100).unwrap();
                        let replacement = merge.finish(&store, ArrangementId(1)).unwrap().unwrap();
                        spine = spine.install(&replacement).unwrap();
                    }
                }
                Action::Checkpoint => {
                    spine = checkpoint(&store, &spine, step as u64).unwrap();
                    durable = model.clone();
                    spine_at_checkpoint = spine.clone();
                }
                Action::Reopen => {
                    drop(store);
                    let (again, mut recovered) = open(&disk, step as u128 + 1).unwrap();
                    store = again;
                    let found = recovered.arrangements.remove(&ArrangementId(1));
                    spine = found.map_or_else(|| Spine::new(keyed()), |found| found.into_spine(keyed()).unwrap());
                    model = durable.clone();
                    spine_at_checkpoint = spine.clone();
                }
            }
            prop_assert_eq!(&content(&spine).unwrap(), &model);
            prop_assert_eq!(&content(&spine_at_checkpoint).unwrap(), &durable, "a spine changed under its reader");
            store.remove_unreferenced().unwrap();
        }
        check_lookups(&spine, &model)?;
        let report = store.verify(|_| {});
        prop_assert!(report.damages.is_empty(), "{:?}", report.damages);
    }
}

/// Every kind of read, against the model.
fn check_lookups(spine: &Spine, model: &Model) -> Result<(), TestCaseError> {
    let pair = |(entry, weight): (&[u8], Weight)| (entry.to_vec(), weight.0);
    for at in -1..14 {
        let prefix = key(at);
        let expected: Vec<_> =
            model.iter().filter(|(entry, _)| entry.starts_with(&prefix)).map(|(e, w)| (e.clone(), *w)).collect();
        let scanned: Vec<_> = spine.prefix(&prefix).unwrap().map(|entry| pair(entry.unwrap())).collect();
        prop_assert_eq!(&scanned, &expected);
        let through_index: Vec<_> = spine.key(&prefix).unwrap().map(|entry| pair(entry.unwrap())).collect();
        prop_assert_eq!(&through_index, &expected);
        prop_assert_eq!(spine.first(&prefix).unwrap().map(pair), expected.first().cloned());
        prop_assert_eq!(spine.last(&prefix).unwrap().map(pair), expected.last().cloned());
        match spine.get(&prefix) {
            Ok(found) => {
                prop_assert!(expected.len() <= 1);
                prop_assert_eq!(found.map(pair), expected.first().cloned());
            }
            Err(Error::KeyNotUnique) => prop_assert!(expected.len() > 1),
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        }
        for value in 0..4 {
            let entry = entry(at, value);
            prop_assert_eq!(spine.contains_weight(&entry).unwrap().0, model.get(&entry).copied().unwrap_or(0));
            let whole: Vec<_> = spine.prefix(&entry).unwrap().map(|entry| pair(entry.unwrap())).collect();
            prop_assert_eq!(whole.len(), usize::from(model.contains_key(&entry)), "a prefix that is a whole entry");
            for (lower, upper) in [
                (Bound::Included(&entry[..]), Bound::Unbounded),
                (Bound::Excluded(&entry[..]), Bound::Unbounded),
                (Bound::Unbounded, Bound::Included(&entry[..])),
                (Bound::Unbounded, Bound::Excluded(&entry[..])),
            ] {
                let expected = model.range::<[u8], _>((lower, upper)).map(|(e, w)| (e.clone(), *w));
                let found: Vec<_> = spine.range(lower, upper).unwrap().map(|entry| pair(entry.unwrap())).collect();
                prop_assert_eq!(found, expected.collect::<Vec<_>>());
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(4))]

    #[test]
    fn opaque_entries_are_found_whatever_their_bytes(
        entries in vec((vec(prop_oneof![Just(0u8), Just(1), Just(255)], 0..12), -2..=2i64), 0..2000),
        probes in vec(vec(prop_oneof![Just(0u8), Just(1), Just(255)], 0..12), 1..20),
    ) {
        let disk = MemoryStorage::new();
        let (store, _) = open(&disk, 0).unwrap();
        let mut model = Model::new();
        entries.iter().for_each(|(entry, weight)| add(&mut model, entry, *weight));
        let memory = Spine::new(KeyExtent::Whole).push(batch(entries)).unwrap();
        let file = checkpoint(&store, &memory, 1).unwrap();
        prop_assert_eq!(file.stats().memory_runs, 0);
        for spine in [memory, file] {
            prop_assert_eq!(&content(&spine).unwrap(), &model);
            for probe in &probes {
                let weight = model.get(probe).copied().unwrap_or(0);
                prop_assert_eq!(spine.contains_weight(probe).unwrap(), Weight(weight));
                let expected: Vec<_> = model.range(probe.clone()..).take_while(|(entry, _)| entry.starts_with(probe)).collect();
                let found: Vec<_> = spine.prefix(probe).unwrap().map(|entry| entry.unwrap().0.to_vec()).collect();
                prop_assert_eq!(found, expected.iter().map(|(entry, _)| entry.to_vec()).collect::<Vec<_>>());
                let last = spine.last(probe).unwrap().map(|(entry, _)| entry.to_vec());
                prop_assert_eq!(last, expected.last().map(|(entry, _)| entry.to_vec()));
            }
        }
    }
}

#[test]
fn an_empty_spine_has_nothing() {
    let spine = Spine::new(keyed());
    assert!(content(&spine).unwrap().is_empty());
    assert!(spine.is_empty().unwrap());
    assert_eq!(spine.get(&key(1)).unwrap(), None);
    assert_eq!(spine.last(b"").unwrap(), None);
    assert_eq!(choose(&spine.shape()), None);
    let disk = MemoryStorage::new();
    let (store, _) = open(&disk, 0).unwrap();
    assert!(content(&checkpoint(&store, &spine, 1).unwrap()).unwrap().is_empty());
}

#[test]
fn what_cancels_leaves_no_run() {
    let mut spine = Spine::new(keyed());
    for weight in [1, -1, 1, -1] {
        spine = spine.push(batch([(row(1, "a"), weight)])).unwrap();
        assert_eq!(spine.contains_weight(&row(1, "a")).unwrap(), Weight(weight.max(0)));
    }
    assert_eq!(spine.stats().memory_runs, 0, "the fourth push has merged the four");
    assert_eq!(spine.get(&key(1)).unwrap(), None);
}

#[test]
fn get_finds_the_row_that_replaced_another_in_a_newer_run() {
    let disk = MemoryStorage::new();
    let (store, _) = open(&disk, 0).unwrap();
    let old = Spine::new(keyed()).push(batch((0..2000).map(|at| (row(at, "old"), 1)))).unwrap();
    let spine = checkpoint(&store, &old, 1).unwrap().push(batch([(row(7, "old"), -1), (row(7, "new"), 1)])).unwrap();
    assert_eq!(spine.get(&key(7)).unwrap(), Some((&row(7, "new")[..], Weight(1))));
    assert_eq!(spine.get(&key(8)).unwrap(), Some((&row(8, "old")[..], Weight(1))));
    let spine = spine.push(batch([(row(7, "new"), -1)])).unwrap();
    assert_eq!(spine.get(&key(7)).unwrap(), None);
}

#[test]
fn two_live_rows_of_one_key_are_an_error_and_not_one_of_them() {
    let spine = Spine::new(keyed()).push(batch([(row(7, "a"), 1), (row(7, "b"), 1)])).unwrap();
    assert!(matches!(spine.get(&key(7)), Err(Error::KeyNotUnique)));
}

#[test]
fn weights_that_overflow_are_an_error_to_all_who_add_them() {
    let spine = Spine::new(keyed()).push(batch([(row(1, "a"), i64::MAX)])).unwrap();
    let over = spine.push(batch([(row(1, "a"), 1)])).unwrap();
    assert!(matches!(over.contains_weight(&row(1, "a")), Err(Error::WeightOverflow)));
    assert!(matches!(over.prefix(b"").unwrap().next(), Some(Err(Error::WeightOverflow))));
    let third = over.push(batch([(row(2, "a"), 1)])).unwrap();
    assert!(matches!(third.push(batch([(row(3, "a"), 1)])), Err(Error::WeightOverflow)), "this push merges");
    assert_eq!(spine.contains_weight(&row(1, "a")).unwrap(), Weight(i64::MAX));
}

#[test]
fn entries_of_100_kib_survive_a_checkpoint_and_a_merge() {
    let disk = MemoryStorage::new();
    let (store, _) = open(&disk, 0).unwrap();
    let large = |at: i32, fill: &str| row(at, &fill.repeat(100 * 1024));
    let mut spine = Spine::new(keyed());
    for fill in ["a", "b", "c"] {
        let rows = (0..4).flat_map(|at| [(large(at, fill), 1), (row(at, fill), 5)]);
        spine = checkpoint(&store, &spine.push(batch(rows)).unwrap(), 1).unwrap();
    }
    let before = content(&spine).unwrap();
    let replacement =
        FileMerge::start(&store, &spine, 0..3).unwrap().finish(&store, ArrangementId(1)).unwrap().unwrap();
    let spine = spine.install(&replacement).unwrap();
    assert_eq!(spine.stats().file_runs, 1);
    assert_eq!(content(&spine).unwrap(), before);
    assert_eq!(spine.contains_weight(&large(2, "b")).unwrap(), Weight(1));
    assert!(store.verify(|_| {}).damages.is_empty());
}

#[test]
fn merges_give_the_same_whatever_the_order_and_the_slices() {
    let mut spine = Spine::new(keyed());
    for (stride, weight) in [(1, 1), (3, -1), (7, 2), (9, -2), (11, 1)] {
        spine = spine.push(batch((0..1500).map(|at| (row(at * stride % 2000, "x"), weight)))).unwrap();
    }
    let whole = content(&spine).unwrap();
    let count = spine.shape().memory.len();
    assert!(count >= 4, "the pushes are too large to be absorbed");
    for cut in 1..count {
        let mut merge = MemoryMerge::start(&spine, cut..count);
        while merge.advance(1000).unwrap() != crate::Progress::Ready {}
        let part = spine.install(&merge.finish().unwrap()).unwrap();
        assert_eq!(content(&part).unwrap(), whole);
        let runs = 0..part.shape().memory.len();
        let all = part.install(&MemoryMerge::start(&part, runs).finish().unwrap()).unwrap();
        assert_eq!(content(&all).unwrap(), whole);
        assert_eq!(all.stats().memory_runs, 1);
    }
}

#[test]
fn pushes_of_one_row_leave_few_runs() {
    let disk = MemoryStorage::new();
    let (store, _) = open(&disk, 0).unwrap();
    let mut spine = Spine::new(keyed());
    let mut most = 0;
    for at in 0..20_000 {
        spine = spine.push(batch([(row(at * 7919 % 20_000, "x"), 1)])).unwrap();
        if let Some(MergeChoice::Memory(runs)) = choose(&spine.shape()) {
            spine = spine.install(&MemoryMerge::start(&spine, runs).finish().unwrap()).unwrap();
        }
        most = most.max(spine.stats().memory_runs);
    }
    // At most three in each of five tiers, the one that was just pushed, and those that are merged in the background.
    assert!(most <= 24, "{most} runs");
    let spine = settle(&store, spine).unwrap();
    assert_eq!(content(&spine).unwrap().len(), 20_000);
}

#[test]
fn a_merge_that_lost_its_inputs_is_not_installed() {
    let spine = Spine::new(keyed()).push(batch((0..1000).map(|at| (row(at, "a"), 1)))).unwrap();
    let spine = spine.push(batch((0..1000).map(|at| (row(at, "b"), 1)))).unwrap();
    let replacement = MemoryMerge::start(&spine, 0..2).finish().unwrap();
    let merged = spine.install(&replacement).unwrap();
    assert!(merged.install(&replacement).is_none(), "its inputs are gone");
    assert!(spine.seal().install(&replacement).is_none(), "a checkpoint may be writing its inputs");
}

#[test]
fn commits_go_on_while_a_checkpoint_runs() {
    let disk = MemoryStorage::new();
    let (store, _) = open(&disk, 0).unwrap();
    let captured = Spine::new(keyed()).push(batch((0..50).map(|at| (row(at, "a"), 1)))).unwrap();
    let mut live = captured.seal();
    for at in 50..60 {
        live = live.push(batch([(row(at, "b"), 1)])).unwrap();
    }
    let spines = [crate::CheckpointSpine { id: ArrangementId(1), identity: b"i", spine: &captured }];
    let (epoch, lsn) = (monostable_types::Epoch(1), monostable_types::Lsn(1));
    let input = crate::CheckpointInput { epoch, lsn, catalog: b"", spines: &spines };
    let done = store.checkpoint(&input).unwrap();
    let live = live.install(&done.replacements[0].1).unwrap();
    assert_eq!(live.stats().memory_entries, 10);
    assert_eq!(content(&live).unwrap().len(), 60);
}

/// Every key from 0 to 20,099, by each way to look up a key. Those below 20,000 are there once; every third was changed.
fn check_seekers(spine: &Spine) {
    let expected = |at: i32| (at < 20_000).then(|| row(at, if at % 3 == 0 { "new" } else { "old" }));
    for keys in [1, 20_000] {
        let (mut newest, mut hits, mut weights) = (spine.seeker(keys), spine.seeker(keys), spine.seeker(keys));
        let hashes: Vec<u64> = (0..32).map(|at| key_hash(&key(at))).collect();
        hits.warm(&hashes);
        // Many keys at a time, and one.
        let asked: Vec<Vec<u8>> = (0..20_100).map(key).collect();
        let asked: Vec<(&[u8], u64)> = asked.iter().map(|key| (key.as_slice(), key_hash(key))).collect();
        let found = asked.chunks(if keys == 1 { 1 } else { 700 }).flat_map(|some| newest.newest(some).unwrap());
        for (at, found) in (0..).zip(found) {
            assert_eq!(found, expected(at).as_deref());
        }
        for at in 0..20_100 {
            let (key, expected) = (key(at), expected(at));
            let hash = key_hash(&key);
            match hits.hit(&key, hash).unwrap() {
                Hit::Nothing => assert_eq!(expected, None),
                Hit::One(entry, weight) => assert_eq!((Some(entry), weight), (expected.as_deref(), Weight::ONE)),
                Hit::Several => assert!(at % 3 == 0 && spine.stats().memory_runs > 1),
            }
            assert_eq!(weights.weight(&row(at, "new")).unwrap().0, i64::from(at < 20_000 && at % 3 == 0));
            assert_eq!(spine.get(&key).unwrap(), expected.as_deref().map(|entry| (entry, Weight::ONE)));
        }
    }
}

#[test]
fn long_runs_answer_with_an_index_as_without() {
    let mut spine = Spine::new(keyed()).push(batch((0..20_000).map(|at| (row(at, "old"), 1)))).unwrap();
    let changed = |at: i32| [(row(at, "old"), -1), (row(at, "new"), 1)];
    spine = spine.push(batch((0..20_000).step_by(3).flat_map(changed))).unwrap();
    let wanting = |spine: &Spine| spine.shape().memory.iter().filter(|run| run.wants_index).count();
    assert_eq!(wanting(&spine), 0, "nobody has asked");
    check_seekers(&spine);
    assert_eq!(wanting(&spine), 2);
    for at in 0..2 {
        // Merges of single runs: the newer one has keys with two entries in it.
        spine = spine.install(&MemoryMerge::start(&spine, at..at + 1).finish().unwrap()).unwrap();
    }
    assert_eq!((wanting(&spine), spine.stats().memory_runs), (0, 2));
    check_seekers(&spine);
    spine = spine.install(&MemoryMerge::start(&spine, 0..2).finish().unwrap()).unwrap();
    check_seekers(&spine);
    assert_eq!((wanting(&spine), spine.stats().memory_runs), (0, 1), "its inputs were asked, so it has an index");
}

#[test]
fn runs_that_nobody_asks_wait_until_there_are_four() {
    let push = |spine: &Spine, from: i32| spine.push(batch((from..from + 2_000).map(|at| (row(at, "x"), 1)))).unwrap();
    let mut spine = Spine::new(keyed());
    for number in 0..3 {
        spine = push(&spine, number * 2_000);
        assert_eq!(choose(&spine.shape()), None);
    }
    let asked = spine.clone();
    spine = push(&spine, 6_000);
    assert_eq!(choose(&spine.shape()), Some(MergeChoice::Memory(0..4)));
    let (long, younger) = (MemoryMerge::start(&asked, 1..3), push(&spine, 8_000));
    assert_eq!((long.entries(), long.younger_runs(&younger)), (4_000, 3));
    asked.get(&key(1)).unwrap();
    assert_eq!(
        choose(&asked.shape()),
        Some(MergeChoice::Memory(0..3)),
        "few runs are worth it where keys are asked for"
    );
}

/// Four runs of some hundred entries are too many for one push, and were not long enough for the background: up to sixteen of them
/// lay there, and every lookup asked each.
#[test]
fn runs_that_no_push_absorbs_are_merged_at_once() {
    let runs = |entries: i32| {
        let mut spine = Spine::new(keyed());
        for from in [0, entries] {
            spine = spine.push(batch((from..from + entries).map(|at| (row(at, "x"), 1)))).unwrap();
        }
        spine.get(&key(0)).unwrap();
        assert_eq!(spine.stats().memory_runs, 2);
        choose(&spine.shape())
    };
    assert_eq!(runs(400), Some(MergeChoice::Memory(0..2)));
    assert_eq!(runs(200), None, "the next pushes absorb them");
}
