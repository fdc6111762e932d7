//! `wasm-cni install` and `uninstall`: the directory in which a runtime looks for plugins.

use super::{Printed, table};
use crate::cni::{CniError, ErrorKind};
use crate::install::{self, Done, Report};
use crate::node::Node;
use indicatif::{ProgressBar, ProgressStyle};
use std::path::{Path, PathBuf};

/// The target and the source.
#[derive(Debug, clap::Args)]
pub struct Install {
    /// The directory in which the runtime looks for plugins.
    #[arg(long, default_value = "/opt/cni/bin")]
    dir: PathBuf,
    /// The directory with the components and `wasm-cni-compile`; the default is the directory of this program.
    #[arg(long)]
    from: Option<PathBuf>,
    /// Also replace files of other programs that have the names of our files, such as another component. They are
    /// kept for `uninstall`.
    #[arg(long)]
    force: bool,
}

/// The directory.
#[derive(Debug, clap::Args)]
pub struct Uninstall {
    /// The directory of the installation.
    #[arg(long, default_value = "/opt/cni/bin")]
    dir: PathBuf,
    /// Also uninstall while containers are attached by a plugin that has no replacement.
    #[arg(long)]
    force: bool,
}

/// Installs, and reports what was done.
pub(super) fn install(node: &Node, arguments: &Install) -> Result<Printed, CniError> {
    let from = arguments.from.clone().map_or_else(own_dir, Ok)?;
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("compiling {msg:16} [{bar:30}] {pos}/{len}") {
        bar.set_style(style);
    }
    let mut begun = 0;
    let installed = install::install(node, &from, &arguments.dir, arguments.force, &mut |all, name| {
        bar.set_length(all as u64);
        bar.set_position(begun);
        bar.set_message(name.to_owned());
        // Draw the bar now, because it does not redraw itself.
        bar.tick();
        begun += 1;
    });
    bar.finish_and_clear();
    Ok(Printed { text: text(&arguments.dir, &installed?), success: true })
}

/// Uninstalls, and reports what was done.
pub(super) fn uninstall(node: &Node, arguments: &Uninstall) -> Result<Printed, CniError> {
    let report = install::uninstall(node, &arguments.dir, arguments.force)?;
    Ok(Printed { text: text(&arguments.dir, &report), success: true })
}

/// The directory of this program, with all links resolved.
fn own_dir() -> Result<PathBuf, CniError> {
    let own = std::fs::read_link("/proc/self/exe");
    let dir = own.ok().and_then(|own| Some(own.parent()?.to_owned()));
    dir.ok_or_else(|| {
        CniError::new(
            ErrorKind::FileInaccessible,
            "failed to read the path of this program from /proc/self/exe",
        )
    })
}

fn text(dir: &Path, report: &Report) -> String {
    let row = |(name, done, what): &(String, Done, String)| {
        let done = match done {
            Done::AsItWas => "as it was".to_owned(),
            Done::Installed => "installed".to_owned(),
            Done::Updated => "updated".to_owned(),
            Done::Replaced(_) => "replaced".to_owned(),
            Done::Restored => "what was there before is back".to_owned(),
            Done::Removed => "removed".to_owned(),
            Done::LeftAlone => "left alone: it is not what was installed".to_owned(),
        };
        vec![name.clone(), done, what.clone()]
    };
    let mut text = table::render(&[&dir.display().to_string()], report.lines.iter().map(row).collect());
    let kept = report.lines.iter().find_map(|(_, done, _)| match done {
        Done::Replaced(path) => path.parent(),
        _ => None,
    });
    if let Some(kept) = kept {
        text += &format!(
            "\nwhat was replaced is kept in {}; `wasm-cni uninstall` puts it back\n",
            kept.display()
        );
    }
    if !report.others.is_empty() {
        text += &format!("\nnot touched: {}\n", report.others.join(" "));
    }
    text
}
