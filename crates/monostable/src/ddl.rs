//! Schema changes: planned, built while commits go on, made durable by the manifest, and published at once.
//!
//! A schema change is not in the log. Its commit point is one edit of the manifest that carries the new catalog and every row
//! of what it names; before it nothing has happened, after it the view is complete, and a crash leaves one or the other.
//!
//! 1. Under the commit lock: note the state, and register a [`Feed`] that hears of every group from now on.
//! 2. Build the new nodes from that state, in slices. Commits go on; the feed gathers them, within its bound.
//! 3. Catch up with the feed, again and again, until little is left.
//! 4. Under the commit lock: catch up with the rest, write the checkpoint with the new catalog, publish.
//!
//! Writers wait during step 4, for as long as it takes to write what is in memory; a checkpoint just before it moves all but
//! the new view out of memory. Readers never wait. One schema change runs at a time, so the catalog cannot change under it.

use std::sync::Arc;

use monostable_query::Prepared;
use monostable_query::ddl::DdlOutcome;
use monostable_view::{Build, Progress, StepError};

use crate::commit::{State, step_refused};
use crate::database::{Database, Engine};
use crate::error::{Error, Result};
use crate::feed::Feed;
use crate::files::{Files, checkpointed};
use crate::statement::Effect;

/// Rows that a build reads between two looks at whether it should go on.
const SLICE_ROWS: usize = 64 << 10;
/// A build that is this many groups behind, or fewer, takes the commit lock for the rest.
const BEHIND_MAX: usize = 16;
/// How often a build catches up outside of the commit lock, at most: a faster stream of commits would never let it end.
const ROUNDS_MAX: usize = 64;

/// A feed that is closed when the build that reads it ends, however it ends.
struct Subscribed(Arc<Feed>);

impl Drop for Subscribed {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Database {
    /// Runs one schema change.
    pub(crate) fn run_ddl(&self, sql: &str) -> Result<Effect> {
        let engine = self.engine();
        let _one_at_a_time = engine.ddl.lock();
        engine.pipeline.check_writable()?;
        let state = self.published_state();
        let prepared = self.prepare(sql, &state)?;
        let Prepared::Ddl(plan) = &*prepared else {
            return Err(Error::Misuse("this is not a schema change".to_owned()));
        };
        let outcome = plan.apply(&engine.planner, &state.catalog, state.version.graph())?;
        let notices = outcome.notices.clone();
        if outcome.changed {
            engine.change_schema(outcome)?;
        }
        Ok(Effect::of_schema_change(plan.tag(), notices))
    }
}

impl Engine {
    fn change_schema(&self, outcome: DdlOutcome) -> Result<()> {
        let DdlOutcome { catalog, graph, build: fills, .. } = outcome;
        let refuse = |error: StepError| step_refused(&catalog, &graph, error);
        let feed = Subscribed(Arc::new(Feed::new(self.options.build_buffer_bytes_max)));
        let start = {
            let mut head = self.pipeline.exclusive()?;
            head.feeds.push(Arc::clone(&feed.0));
            Arc::clone(&head.state)
        };
        let mut build = Build::new(&start.version, &graph, &fills).map_err(refuse)?;
        while build.advance(SLICE_ROWS).map_err(refuse)? == Progress::Working {
            self.pipeline.check_writable()?;
        }
        for _ in 0..ROUNDS_MAX {
            if catch_up(&mut build, &feed.0)?.map_err(refuse)? <= BEHIND_MAX {
                break;
            }
        }
        let roots = catalog.roots();
        let finish = |mut build: Build, live: &State| -> Result<State> {
            catch_up(&mut build, &feed.0)?.map_err(refuse)?;
            let version = build.finish(&live.version).map_err(refuse)?.retain(&roots);
            Ok(State { version, catalog: Arc::new(catalog.clone()) })
        };
        match &self.files {
            None => {
                let mut head = self.pipeline.exclusive()?;
                let state = finish(build, &head.state)?;
                self.pipeline.replace(&mut head, state);
                Ok(())
            }
            Some(files) => self.commit_schema(files, |live| finish(build, live)),
        }
    }

    /// Step 4 where there are files: what `finish` makes of the live state becomes durable, and then visible.
    fn commit_schema(&self, files: &Files, finish: impl FnOnce(&State) -> Result<State>) -> Result<()> {
        files.checkpoint(&self.pipeline).map_err(|error| self.lost(error))?;
        let _from_capture_to_install = files.checkpointing.lock();
        let mut head = self.pipeline.exclusive()?;
        let state = finish(&head.state)?;
        let written = files.write(&state).map_err(|error| self.lost(error))?;
        let version = checkpointed(&state.version, &written.replacements);
        let lsn = version.lsn;
        self.pipeline.replace(&mut head, State { version, catalog: state.catalog });
        drop(head);
        // The change is committed: what cannot be given back now is given back by the next checkpoint.
        *self.background_error.lock() = files.recycle(&self.pipeline, lsn).err();
        Ok(())
    }

    /// An error of the manifest after which it is not known what it says stops all writing.
    fn lost(&self, error: Error) -> Error {
        self.poison_if_lost(&error);
        if self.pipeline.is_poisoned() { Error::OutcomeUnknown { cause: Arc::new(error) } } else { error }
    }
}

/// Gives the build every group that has gathered, and tells how many there were.
fn catch_up(build: &mut Build, feed: &Feed) -> Result<Result<usize, StepError>> {
    let Some(groups) = feed.drain() else {
        return Err(Error::TooLarge {
            what: "what was committed during the build",
            bytes: feed.bytes_max() as u64,
            bytes_max: feed.bytes_max() as u64,
        });
    };
    for group in &groups {
        if let Err(error) = build.catch_up(&group.deltas, group.epoch, group.end) {
            return Ok(Err(error));
        }
    }
    Ok(Ok(groups.len()))
}
