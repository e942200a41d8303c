//! This program as its own child: what must be killed, or must not share an allocator with others, runs in a process of its own.
//!
//! `compare child PART ARGUMENT..` plays a part instead of running workloads. It is not meant for people and not in the help. A part answers in lines
//! on its standard output; its standard error is the parent's.

use crate::workload::Failure;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// What stands before the name of a part on the command line.
const WORD: &str = "child";

/// Something that a child can do.
pub struct Part {
    pub name: &'static str,
    pub play: fn(&[String]) -> Result<(), Failure>,
}

/// A part with the arguments that it was started with.
pub struct Call {
    part: &'static Part,
    arguments: Vec<String>,
}

/// All parts.
const PARTS: &[&[Part]] = &[&crate::opens::PARTS, &[crate::footprint::PART]];

impl Call {
    pub fn play(&self) -> Result<(), Failure> {
        (self.part.play)(&self.arguments)
    }
}

/// What this process was started for, unless it was started by a person.
pub fn part() -> Option<Result<Call, Failure>> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() != Some(WORD) {
        return None;
    }
    let name = arguments.next().unwrap_or_default();
    let found = PARTS.iter().copied().flatten().find(|part| part.name == name);
    let call = found.map(|part| Call { part, arguments: arguments.collect() });
    Some(call.ok_or_else(|| format!("there is no part {name}").into()))
}

/// A child at work. It is killed when this is dropped, without a chance to put anything in order.
pub struct Running {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Running {
    pub fn start(part: &Part, arguments: &[&str]) -> Result<Running, Failure> {
        Running::start_in(part, arguments, &std::env::temp_dir())
    }

    /// The same with a directory in which the child makes its temporary files.
    pub fn start_in(part: &Part, arguments: &[&str], temporary: &Path) -> Result<Running, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.env("TMPDIR", temporary).arg(WORD).arg(part.name).args(arguments);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let answers = child.stdout.take().ok_or("the child has no output")?;
        Ok(Running { child, answers: BufReader::new(answers) })
    }

    /// The next line that it answers.
    pub fn answer(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err(format!("the child has ended: {}", self.child.wait()?).into());
        }
        Ok(line.trim_end().to_string())
    }

    /// Kills it (SIGKILL), waits until it is gone, and returns the complete lines that it had still written.
    pub fn kill(mut self) -> Result<Vec<String>, Failure> {
        self.child.kill()?;
        self.child.wait()?;
        let mut rest = Vec::new();
        let mut line = String::new();
        while self.answers.read_line(&mut line)? > 0 {
            if let Some(whole) = line.strip_suffix('\n') {
                rest.push(whole.to_string());
            }
            line.clear();
        }
        Ok(rest)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nobody to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Answers a line to the parent, at once.
pub fn say(line: impl std::fmt::Display) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
