//! The result of a program that lists or changes rules.

use crate::machine::rules::TableError;
use std::io;
use std::process::Output;

/// The output of a program, or why it failed. `missing` is the name of the program for the error if it is not
/// installed, and `called` is the executed command.
pub fn printed(output: io::Result<Output>, missing: &str, called: &str) -> Result<String, TableError> {
    let output = match output {
        Ok(output) => output,
        // A directory of $PATH that cannot be read counts as one without the program, as in Go.
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
    // A program that was killed, by us after the time limit or by others, may have done everything.
    let is_answer = output.status.code().is_some();
    Err(if is_answer { TableError::Refused(message) } else { TableError::Unknown(message) })
}
