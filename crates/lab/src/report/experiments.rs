//! The experiments in the words of the report: what each asks, and how its charts are read.

/// An experiment's texts.
#[derive(Debug)]
pub(super) struct Experiment {
    /// `E1` to `E10`.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) question: &'static str,
}

/// All of them, in the order of the report.
pub(super) const EXPERIMENTS: [Experiment; 10] = [
    Experiment {
        id: "E1",
        title: "A flush under load",
        question: "Everything that is held in memory is lost at once, while ten times as much is asked for as the backend \
                   can answer alone. Who comes back, and when?",
    },
    Experiment {
        id: "E2",
        title: "Hysteresis",
        question: "The load goes up, the cache is flushed at the top, the load goes down again. Does the answer to the \
                   same load depend on the past? A system that has two stable states shows two branches.",
    },
    Experiment {
        id: "E3",
        title: "Vulnerability map",
        question: "How large a loss, at how high a load, can each contender come back from? Sharp boundaries are given as \
                   a probability over seeds.",
    },
    Experiment {
        id: "E4",
        title: "Which mitigation matters",
        question: "The cache's mitigations are added and taken away one at a time, and everything is flushed.",
    },
    Experiment {
        id: "E5",
        title: "Retry storm",
        question: "The backend loses most of its processor for some seconds and gets it back. Do the retries that have \
                   piled up keep it down?",
    },
    Experiment {
        id: "E6",
        title: "Stale reads",
        question: "Fills race with invalidations, and some deletes are lost. How many answers are older than allowed, and \
                   which keys stay wrong for good?",
    },
    Experiment {
        id: "E7",
        title: "Shifts and restarts",
        question: "The working set moves, servers restart one after the other, the hottest key expires.",
    },
    Experiment {
        id: "E8",
        title: "Our own cold start",
        question: "The process is killed and started again with a warm and a cold page cache and less memory than data. \
                   How long until the first complete read, and until reads are as fast as before?",
    },
    Experiment {
        id: "E9",
        title: "Our own overload",
        question: "More is written than the views can be kept up with, and then less again. This is where we could be \
                   metastable ourselves.",
    },
    Experiment {
        id: "E10",
        title: "What it costs, and who wins where",
        question: "Memory, processor, bytes written and build time, over the share of writes, the skew and the number of \
                   keys. The map shows losses as well as wins.",
    },
];
