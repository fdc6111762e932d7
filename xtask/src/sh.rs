//! Running processes: each is shown like a line of a shell before it runs, and named when it fails.

use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Output, Stdio};

/// Runs a process with our stdin, stdout and stderr; an error unless it succeeds.
pub fn run(process: &mut Command) -> Result<()> {
    eprintln!("$ {}", line(process));
    let status = process.status().with_context(|| format!("failed to start `{}`", line(process)))?;
    check(process, status)
}

/// What a process writes to stdout; its stderr is ours. An error unless it succeeds.
pub fn stdout(process: &mut Command) -> Result<String> {
    let Output { status, stdout, .. } = process
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("failed to start `{}`", line(process)))?;
    check(process, status)?;
    String::from_utf8(stdout)
        .with_context(|| format!("`{}` wrote something that is not UTF-8", line(process)))
}

/// Whether a process succeeds; what it writes is dropped.
pub fn succeeds(process: &mut Command) -> bool {
    process.stdin(Stdio::null()).output().is_ok_and(|output| output.status.success())
}

/// An error that names the process, unless it succeeded.
pub fn check(process: &Command, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("`{}` failed: {status}", line(process));
    }
    Ok(())
}

/// The process as a developer would type it.
pub fn line(process: &Command) -> String {
    let words = std::iter::once(process.get_program()).chain(process.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// A word for the shell, whatever is in it but a zero byte, which no path and no argument has.
pub fn quoted(word: &str) -> String {
    shlex::try_quote(word).expect("no zero byte").into_owned()
}

/// Where a program is: in `PATH`, or where Debian has those that an ordinary user's `PATH` omits.
pub fn which(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&search_path()).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// `PATH` with the administrator's directories at its end.
pub fn search_path() -> String {
    format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_else(|_| "/usr/bin:/bin".to_owned()))
}
