//! What a program said that lists rules or changes them.

use crate::machine::rules::TableError;
use std::io;
use std::process::Output;

/// What it printed, or why it did not do it: `missing` is the program that is not installed then, and `called` what was executed.
pub fn printed(output: io::Result<Output>, missing: &str, called: &str) -> Result<String, TableError> {
    let output = match output {
        Ok(output) => output,
        // A directory of $PATH that may not be read counts as one without the program, as in Go.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
            let message = format!("exec: {missing:?}: executable file not found in $PATH");
            return Err(TableError::Missing(message));
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::Other | io::ErrorKind::TimedOut) => {
            return Err(TableError::Unknown(error.to_string()));
        }
        Err(error) => return Err(TableError::Failed(error.to_string())),
    };
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let status = output.status.to_string().replace("exit status: ", "exit status ");
    let message = format!("{called}: {status}: {}", said.trim());
    // Killed, by us after its time or by others, it may have done all.
    let is_answer = output.status.code().is_some();
    Err(if is_answer { TableError::Refused(message) } else { TableError::Unknown(message) })
}
