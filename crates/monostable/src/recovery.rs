//! Opening a database.

use std::sync::Arc;

use monostable_query::{Catalog, Planner};
use monostable_view::Version;
use parking_lot::Mutex;

use crate::background::Chores;
use crate::commit::{Pipeline, State};
use crate::database::Engine;
use crate::error::{Error, Result};
use crate::options::{Options, Place};
use crate::stats::OpenReport;

/// Opens a database as the options say.
pub(crate) fn open(options: Options) -> Result<Engine> {
    match &options.place {
        Place::Memory => {}
        _ => return Err(Error::Recovery("not there".to_owned())),
    }
    let state = State { version: Version::new(), catalog: Arc::new(Catalog::new()) };
    Ok(Engine {
        pipeline: Pipeline::new(state, None, options.clone()),
        planner: Planner::new(),
        files: None,
        options,
        opened: OpenReport::default(),
        ddl: Mutex::new(()),
        chores: Mutex::new(Chores::default()),
        background_error: Mutex::new(None),
        lock: Mutex::new(None),
    })
}
