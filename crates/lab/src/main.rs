//! The command `monostable-lab`.

fn main() {}
