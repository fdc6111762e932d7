//! Runs processes. It prints each like a line of a shell first, and names it if it fails.

use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Output, Stdio};

/// Runs a process with our stdin, stdout and stderr; an error unless it succeeds.
pub fn run(process: &mut Command) -> Result<()> {
    eprintln!("$ {}", line(process));
    let status = process.status().with_context(|| format!("failed to start `{}`", line(process)))?;
    check(process, status)
}

/// The stdout of a process; its stderr is ours. An error unless it succeeds.
pub fn stdout(process: &mut Command) -> Result<String> {
    let Output { status, stdout, .. } = process
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("failed to start `{}`", line(process)))?;
    check(process, status)?;
    String::from_utf8(stdout)
        .with_context(|| format!("`{}` wrote something that is not UTF-8", line(process)))
}

/// Whether a process succeeds; discards its output.
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

/// A text, quoted for the shell. It must not contain a zero byte; no path and no argument does.
pub fn quoted(word: &str) -> String {
    shlex::try_quote(word).expect("no zero byte").into_owned()
}

/// The path of a program: in `PATH`, or in the directories that an ordinary user's `PATH` omits on Debian.
pub fn which(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&search_path()).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// `PATH`, followed by the administrator's directories.
pub fn search_path() -> String {
    format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_else(|_| "/usr/bin:/bin".to_owned()))
}
