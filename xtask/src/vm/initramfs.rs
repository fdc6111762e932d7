//! The initramfs of the VM: the files that it needs to mount the root file system.

use super::kernel::Kernel;
use crate::sh;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Statically linked, because there is nothing else yet.
const BUSYBOX: &str = "/bin/busybox";

/// Writes it to `archive`; `session` is the shell script that runs in the VM.
pub fn write(kernel: &Kernel, session: &str, archive: &Path) -> Result<()> {
    let files = tempfile::tempdir().context("failed to make a temporary folder")?;
    let root = files.path();
    for dir in ["bin", "modules", "proc", "sys", "dev", "lower", "upper", "root"] {
        fs::create_dir(root.join(dir))?;
    }
    fs::copy(BUSYBOX, root.join("bin/busybox")).with_context(|| format!("failed to copy {BUSYBOX}"))?;
    for (number, module) in kernel.modules.iter().enumerate() {
        let copy = root.join(format!("modules/{number:02}.ko"));
        unpack(module, &copy).with_context(|| format!("failed to copy {}", module.display()))?;
    }
    for (name, text) in
        [("init", include_str!("init.sh")), ("start", include_str!("start.sh")), ("session", session)]
    {
        let path = root.join(name);
        fs::write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    let mut cpio = Command::new("sh");
    cpio.args(["-euc", "find . | cpio --quiet --create --format=newc --owner=0:0"]).current_dir(root);
    let output =
        cpio.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("failed to start cpio")?;
    ensure!(output.status.success(), "cpio failed: {}", output.status);
    fs::write(archive, output.stdout).with_context(|| format!("failed to write {}", archive.display()))
}

/// Some distributions compress modules.
fn unpack(module: &Path, copy: &Path) -> Result<()> {
    let program = match module.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        Some("gz") => "gzip",
        _ => return Ok(fs::copy(module, copy).map(drop)?),
    };
    let mut process = Command::new(program);
    process.args(["--decompress", "--stdout"]).arg(module).stderr(Stdio::inherit());
    let status = process.stdout(fs::File::create(copy)?).status().with_context(|| format!("no {program}"))?;
    sh::check(&process, status)
}
