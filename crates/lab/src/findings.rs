//! What a session has found so far, written after each of its parts: a session that is interrupted after half an hour
//! leaves the files and the page of what it came to, and says in them what it did not come to.
//!
//! Cost: each part writes all lines and the page again, some megabytes.

use std::path::PathBuf;
use std::time::Instant;

use crate::results::{Results, Run};
use crate::runs::{Error, Session};
use crate::{machine, report};

/// Results that grow, and where they belong.
#[derive(Debug)]
pub(crate) struct Findings<'a> {
    session: &'a Session,
    began: Instant,
    started: String,
    machine: Vec<(String, String)>,
    /// Parts that are planned and not done yet.
    missing: Vec<String>,
    pub(crate) results: Results,
}

impl<'a> Findings<'a> {
    /// Of a session that has found nothing yet. Makes the directory, and leaves an earlier session's results in it until
    /// there are new ones.
    pub(crate) fn new(session: &'a Session) -> Result<Findings<'a>, Error> {
        std::fs::create_dir_all(&session.out).map_err(|error| Error::Directory(session.out.clone(), error))?;
        Ok(Findings {
            session,
            began: Instant::now(),
            started: machine::now(),
            machine: machine::describe(&session.out),
            missing: Vec::new(),
            results: Results::default(),
        })
    }

    /// These parts are to be done.
    pub(crate) fn plan(&mut self, parts: impl IntoIterator<Item = String>) {
        self.missing.extend(parts);
    }

    /// A part is done.
    pub(crate) fn done(&mut self, part: &str) -> Result<(), Error> {
        self.missing.retain(|missing| missing != part);
        self.write().map(drop)
    }

    /// Writes what there is, and says where the page is.
    pub(crate) fn write(&mut self) -> Result<PathBuf, Error> {
        self.describe();
        self.results.write(&self.session.out)?;
        Ok(report::write(&self.session.out)?)
    }

    /// Seconds since the session began.
    pub(crate) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    fn describe(&mut self) {
        let mut seeds: Vec<u64> =
            self.results.verdicts.iter().map(|verdict| verdict.seed).filter(|seed| *seed > 0).collect();
        seeds.sort_unstable();
        seeds.dedup();
        let seconds = self.seconds();
        let run = self.results.run.get_or_insert_with(Run::default);
        run.command.clone_from(&self.session.command);
        env!("CARGO_PKG_VERSION").clone_into(&mut run.version);
        run.started.clone_from(&self.started);
        run.seconds = seconds;
        run.machine.clone_from(&self.machine);
        run.seeds = seeds;
        run.missing.clone_from(&self.missing);
        for line in self.session.settings() {
            if !run.settings.contains(&line) {
                run.settings.push(line);
            }
        }
    }
}
