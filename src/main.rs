//! The driftless binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    driftless::cli::main().into()
}
