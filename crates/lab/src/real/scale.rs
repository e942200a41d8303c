//! How large the runs are: a few seconds for tests, two to three minutes for a look, an hour for everything.

use std::time::Duration;

use super::bench::Scale;
use super::clock::SECOND;
use super::workload::{Kind, Workload};
use crate::random::Skew;

impl Scale {
    /// Some seconds: nothing that is seen at this size means anything, but everything is run.
    pub fn tiny() -> Scale {
        let workload = Workload { kind: Kind::Shop, keys: 200, events_per_key: 10, rows_per_event: 3 };
        Scale {
            workload,
            measure: Duration::from_millis(100),
            seconds: (1, 1),
            load_over_capacity: 0.05,
            ..Scale::quick()
        }
    }

    /// Two to three minutes for everything, simulation and report included.
    pub fn quick() -> Scale {
        Scale {
            workload: Workload { kind: Kind::Shop, keys: 1_000, events_per_key: 300, rows_per_event: 5 },
            workers: 1,
            memory_bytes: 256 << 20,
            measure: Duration::from_secs(1),
            seconds: (3, 10),
            thorough: false,
            load_over_capacity: 10.0,
            write_share: 0.002,
            // With exactly 90 % the backend would be at its capacity before any disturbance. The cache is made large enough
            // for a little more than the 95 % that are wanted: expiry and deletes take their part.
            hit_share: 0.975,
            skew: Skew::Zipf(0.99),
            ttl: 60 * SECOND,
            staleness: 2 * SECOND,
        }
    }

    /// About an hour for everything: twice as many pages, so that a refill takes twice as long as in a look, and seconds
    /// for four refills after each disturbance.
    pub fn full() -> Scale {
        let quick = Scale::quick();
        Scale {
            workload: Workload { keys: 2 * quick.workload.keys, ..quick.workload },
            memory_bytes: 2 * quick.memory_bytes,
            measure: Duration::from_secs(3),
            seconds: (4, 14),
            thorough: true,
            ..quick
        }
    }
}
