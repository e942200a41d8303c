//! Random graphs over random histories.

use monostable_types::DataType;
use proptest::prelude::*;

use super::cases;
use super::model::{Plan, TABLES, ZSet, collect, contents, evaluated, held, lower};
use super::random::{Choices, choices};
use crate::fork::{Fork, step_in_shares};
use crate::{Build, Delta, Graph, Join, NodeId, Origin, Progress, Scope, Step, TableId, Version, step};

/// A version with the model's tables and an arrangement of each node of the plan.
pub(crate) fn create(plan: &[Plan]) -> (Version, Vec<NodeId>) {
    let mut builder = Graph::new().extend();
    let nodes = lower(&mut builder, plan);
    let mut views = Vec::new();
    for node in nodes {
        let columns = builder.row(node).unwrap().len();
        // Keys of every length: an aggregate that is arranged by its groups is its own arrangement.
        let key = views.len() % (columns + 1);
        let view = builder.arrange(node, &(0..key).collect::<Vec<_>>()).unwrap();
        builder.assert_positive(view).unwrap();
        views.push(view);
    }
    let graph = builder.finish();
    (Build::run(&Version::new(), &graph, &views).unwrap(), views)
}

/// Does the second thing first: the order must not matter.
struct Swapped;

impl Fork for Swapped {
    fn both(&self, first: &mut (dyn FnMut() + Send), second: &mut (dyn FnMut() + Send)) {
        second();
        first();
    }
}

fn tables_only() -> Vec<Plan> {
    (0..TABLES.len()).map(Plan::Table).collect()
}

fn stepped(version: &Version, deltas: &[(TableId, Delta)]) -> Version {
    let epoch = version.epoch.next();
    step(version, deltas, Scope::All, &[]).unwrap().version.at(epoch, version.lsn)
}

#[test]
fn weights_are_looked_at_where_a_change_comes_from_outside_or_is_negated() {
    let mut builder = Graph::new().extend();
    let types = [DataType::Integer, DataType::Integer];
    let source = builder.source(TableId(0), &types).unwrap();
    let by_first = builder.arrange(source, &[0]).unwrap();
    builder.assert_positive(by_first).unwrap();
    let by_second = builder.arrange(source, &[1]).unwrap();
    let pairs = builder.join(by_first, by_second, Join::on(1)).unwrap();
    let joined = builder.arrange(pairs, &[0]).unwrap();
    let negated = builder.negate(source).unwrap();
    let union = builder.union(&[source, negated]).unwrap();
    let difference = builder.arrange(union, &[0]).unwrap();
    // An arrangement of an arrangement is one of what that is made from.
    let on_top = builder.arrange(difference, &[1]).unwrap();
    let distinct = builder.distinct(union).unwrap();
    let distinct = builder.arrange(distinct, &[1]).unwrap();
    let other = builder.source(TableId(1), &types).unwrap();
    let unarranged = builder.map(other, None, None).unwrap();
    let unarranged = builder.arrange(unarranged, &[0]).unwrap();
    let views = [joined, difference, on_top, distinct, unarranged];
    for view in views {
        builder.assert_positive(view).unwrap();
    }
    let graph = builder.finish();
    let guarded = |graph: &Graph| views.map(|view| graph.is_guarded(view));
    assert!(graph.is_guarded(by_first) && !graph.is_guarded(by_second));
    assert_eq!(guarded(&graph), [false, true, true, false, true]);
    assert_eq!(guarded(&graph.retain(&[by_first, joined])), [false; 5]);
    assert_eq!(guarded(&graph.retain(&[difference])), [false, true, false, false, false]);
}

proptest! {
    #![proptest_config(cases(120))]

    #[test]
    fn views_hold_what_recomputation_gives_after_every_step(plan in choices(80), history in choices(160), nodes in 1_usize..6) {
        let plan = Choices::new(plan).plan(nodes);
        let (mut version, views) = create(&plan);
        let mut tables = vec![ZSet::new(); TABLES.len()];
        let mut history = Choices::new(history);
        let mut watched = contents(&plan, &tables);
        for _ in 0..6 {
            let deltas = history.commit(&mut tables);
            let before = version.clone();
            let stepped = step(&version, &deltas, Scope::All, &views).unwrap();
            let shared = step_in_shares(Origin::New, &version, &deltas, &views, &Swapped).unwrap();
            let logged = step_in_shares(Origin::Log, &version, &deltas, &views, &Swapped).unwrap();
            version = stepped.version.clone();
            let expected = contents(&plan, &tables);
            for (index, &view) in views.iter().enumerate() {
                prop_assert_eq!(&held(&version, view), &expected[index], "node {} of {:#?}", index, &plan);
                prop_assert_eq!(&held(&shared.version, view), &expected[index], "in shares, node {}", index);
                prop_assert_eq!(&held(&logged.version, view), &expected[index], "from the log, node {}", index);
                prop_assert_eq!(&evaluated(&version, version.graph(), view), &expected[index]);
            }
            let changed = |step: &Step| step.changes.iter().map(|(node, delta)| (*node, delta.len())).collect::<Vec<_>>();
            prop_assert_eq!(changed(&shared), changed(&stepped));
            for (node, change) in &stepped.changes {
                for (index, _) in views.iter().enumerate().filter(|(_, view)| *view == node) {
                    collect(change, &mut watched[index]);
                }
            }
            prop_assert_eq!(&watched, &expected, "the changes that were handed out add up to the contents");
            drop(before);
        }
    }

    #[test]
    fn a_query_gives_what_a_view_would_hold(
        plan in choices(80), views in choices(60), history in choices(160), nodes in 1_usize..6,
    ) {
        // Some views exist, so that their arrangements can be used.
        let existing = Choices::new(views).plan(3);
        let (mut version, _) = create(&existing);
        let mut tables = vec![ZSet::new(); TABLES.len()];
        let mut history = Choices::new(history);
        for _ in 0..5 {
            version = stepped(&version, &history.commit(&mut tables));
        }
        let plan = Choices::new(plan).plan(nodes);
        let mut builder = version.graph().extend();
        let targets = lower(&mut builder, &plan);
        let graph = builder.finish();
        let expected = contents(&plan, &tables);
        for (index, &target) in targets.iter().enumerate() {
            prop_assert_eq!(&evaluated(&version, &graph, target), &expected[index], "node {} of {:#?}", index, &plan);
        }
    }

    #[test]
    fn a_build_beside_commits_gives_what_a_view_would_hold(
        plan in choices(80), history in choices(200), nodes in 1_usize..6, slice in 1_usize..5,
    ) {
        let (mut version, _) = create(&tables_only());
        let mut tables = vec![ZSet::new(); TABLES.len()];
        let mut history = Choices::new(history);
        for _ in 0..3 {
            version = stepped(&version, &history.commit(&mut tables));
        }
        let plan = Choices::new(plan).plan(nodes);
        let mut builder = version.graph().extend();
        let nodes = lower(&mut builder, &plan);
        let views: Vec<NodeId> = nodes.iter().map(|&node| {
            let view = builder.arrange(node, &[]).unwrap();
            builder.assert_positive(view).unwrap();
            view
        }).collect();
        let mut build = Build::new(&version, &builder.finish(), &views).unwrap();
        let mut missed = Vec::new();
        while build.advance(slice).unwrap() == Progress::Working {
            if missed.len() < 3 {
                missed.push(history.commit(&mut tables));
                version = stepped(&version, missed.last().unwrap());
            }
        }
        let mut epoch = version.epoch.0 - missed.len() as u64;
        for deltas in &missed {
            epoch += 1;
            build.catch_up(deltas, monostable_types::Epoch(epoch), version.lsn).unwrap();
        }
        version = build.finish(&version).unwrap();
        prop_assert_eq!(version.unfilled(), vec![]);
        for round in 0..3 {
            let expected = contents(&plan, &tables);
            for (index, &view) in views.iter().enumerate() {
                prop_assert_eq!(&held(&version, view), &expected[index], "node {} round {} of {:#?}", index, round, &plan);
            }
            version = stepped(&version, &history.commit(&mut tables));
        }
    }

    #[test]
    fn contents_do_not_depend_on_how_a_history_is_split(plan in choices(80), history in choices(160), split in choices(8)) {
        let plan = Choices::new(plan).plan(4);
        let (mut one_by_one, views) = create(&plan);
        let (mut together, _) = create(&plan);
        let mut tables = vec![ZSet::new(); TABLES.len()];
        let (mut history, mut split) = (Choices::new(history), Choices::new(split));
        let mut group: Vec<(TableId, Delta)> = Vec::new();
        for _ in 0..8 {
            let deltas = history.commit(&mut tables);
            one_by_one = stepped(&one_by_one, &deltas);
            group.extend(deltas);
            if split.below(3) == 0 {
                group.reverse();
                together = stepped(&together, &std::mem::take(&mut group));
            }
        }
        together = stepped(&together, &group);
        for &view in &views {
            prop_assert_eq!(held(&one_by_one, view), held(&together, view));
        }
        // The state of operators too, byte for byte.
        for ((id, spine), (other_id, other)) in one_by_one.spines().zip(together.spines()) {
            prop_assert_eq!(id, other_id);
            let all = |spine: &crate::Spine| {
                spine.prefix(b"").unwrap().map(|entry| entry.map(|(entry, weight)| (entry.to_vec(), weight)).unwrap()).collect::<Vec<_>>()
            };
            prop_assert_eq!(all(spine), all(other));
        }
    }
}
