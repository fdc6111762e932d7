//! QEMU, and the daemon that shares this machine's files with it.

use super::initramfs;
use super::kernel::Kernel;
use crate::machine::{self, Need};
use crate::sh;
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::io::BufReader;
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};
use std::time::Duration;

/// In MiB. It includes everything that is written in the VM; this machine provides it page by page.
const MEMORY: u32 = 4096;
/// The path on Debian 12, in QEMU's package, and on later releases, in a package of its own.
const FILE_DAEMONS: [&str; 2] = ["/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd"];

/// A VM that runs one session and ends.
pub struct Vm {
    process: Child,
    /// The output besides the session's.
    folder: tempfile::TempDir,
    limit: Duration,
}

/// Installs what is missing.
pub fn ensure_packages() -> Result<()> {
    ensure!(std::env::consts::ARCH == "x86_64", "the VM is one of x86-64, and this machine is not");
    let is_ubuntu = fs::read_to_string("/etc/os-release").is_ok_and(|text| text.contains("\nID=ubuntu\n"));
    let kernel = if is_ubuntu { machine::UBUNTU_KERNEL } else { machine::KERNEL };
    machine::ensure_packages(&[machine::QEMU, kernel, machine::BUSYBOX, machine::CPIO, machine::IP])?;
    match file_daemon() {
        Some(_) => Ok(()),
        None => machine::ensure_packages(&[Need { program: FILE_DAEMONS[1], package: "virtiofsd" }]),
    }
}

fn file_daemon() -> Option<&'static str> {
    FILE_DAEMONS.into_iter().find(|path| Path::new(path).is_file())
}

impl Vm {
    /// Boots, to run a session in the current directory: a shell script. Stops the VM after `limit`.
    pub fn boot(workspace: &Workspace, session: &str, limit: Duration) -> Result<Vm> {
        let current = std::env::current_dir().context("there is no current folder")?;
        for path in [&workspace.root, &workspace.target_dir, &current] {
            refuse_covered(path)?;
        }
        let kernel = Kernel::find()?;
        let folder = tempfile::tempdir().context("failed to make a temporary folder")?;
        let file = |name: &str| folder.path().join(name).display().to_string();
        let session = format!("cd {} || exit\n{session}\n", sh::quoted(&current.to_string_lossy()));
        initramfs::write(&kernel, &session, &folder.path().join("initramfs"))?;
        eprintln!("booting {} in QEMU, for {} s at most", kernel.image.display(), limit.as_secs());

        // As root, because the VM sees all files of this machine.
        let mut process = machine::as_root("sh")?;
        process.args(["-c", include_str!("boot.sh"), "boot"]).arg(folder.path());
        process.arg(limit.as_secs().to_string()).arg(file_daemon().context("there is no virtiofsd")?);
        process.arg(machine::QEMU.program).args(["-nodefaults", "-no-user-config", "-display", "none"]);
        // Without KVM, so that it behaves the same everywhere, also where KVM exists and does not work. A basic
        // processor model, because each wide register would be emulated piece by piece.
        process.args(["-machine", "q35", "-accel", "tcg", "-cpu", "qemu64"]);
        // Its clock advances by 2 ns per executed instruction, so a second has the same length however busy this
        // machine is. This needs a single processor.
        process.args(["-icount", "shift=1"]);
        process.args(["-m", &MEMORY.to_string(), "-numa", "node,memdev=memory"]);
        // Shared with the daemon.
        process.args(["-object", &format!("memory-backend-memfd,id=memory,size={MEMORY}M,share=on")]);
        process.args(["-chardev", &format!("socket,id=files,path={}", file("files"))]);
        process.args(["-device", "vhost-user-fs-pci,chardev=files,tag=machine"]);
        process.args(["-serial", &format!("file:{}", file("kernel.log")), "-serial", "stdio"]);
        process.args(["-serial", &format!("file:{}", file("status"))]);
        process.arg("-kernel").arg(&kernel.image).args(["-initrd", &file("initramfs")]);
        // If the kernel stops, QEMU ends. Programs have the same addresses in each process, so that QEMU can reuse its
        // translation of their code: a process takes a sixth of the time.
        process.args(["-no-reboot", "-append", "console=ttyS0 quiet panic=-1 mitigations=off norandmaps"]);
        let process = process.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        Ok(Vm { process: process.context("failed to start QEMU")?, folder, limit })
    }

    /// The session's stdout and stderr; ends with the session. Can be taken once.
    pub fn output(&mut self) -> Result<BufReader<ChildStdout>> {
        self.process.stdout.take().map(BufReader::new).context("the output is taken already")
    }

    /// Waits for the end of the session; an error unless it succeeded.
    pub fn end(mut self) -> Result<()> {
        let end = self.process.wait().context("failed to wait for QEMU")?;
        let read = |name| fs::read(self.folder.path().join(name)).unwrap_or_default();
        let status = String::from_utf8_lossy(&read("status")).trim().to_owned();
        match (status.as_str(), end.code()) {
            ("0", _) => Ok(()),
            ("", Some(124 | 137)) => bail!("the VM was stopped after {} s", self.limit.as_secs()),
            ("", _) => {
                let log = read("kernel.log");
                bail!(
                    "the VM ended before its session ({end}). Its kernel:\n{}",
                    String::from_utf8_lossy(&log)
                )
            }
            (status, _) => bail!("the session in the VM failed: exit status {status}"),
        }
    }
}

/// Refuses a path that the VM does not share.
fn refuse_covered(path: &Path) -> Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    for covered in ["/run", "/dev", "/proc", "/sys"] {
        ensure!(!path.starts_with(covered), "{} is below {covered}, which the VM has anew", path.display());
    }
    Ok(())
}
