//! The requirements on the machine: Rust targets and Debian packages. Installs what is missing, and says so.

use crate::sh;
use anyhow::{Context, Result, bail};
use std::io::IsTerminal;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

/// A required file, and its Debian package.
pub struct Need {
    /// A program's name, or a file's absolute path.
    pub program: &'static str,
    /// The Debian package.
    pub package: &'static str,
}

pub const IPTABLES: Need = Need { program: "iptables", package: "iptables" };
pub const NFT: Need = Need { program: "nft", package: "nftables" };
pub const IP: Need = Need { program: "ip", package: "iproute2" };
pub const PING: Need = Need { program: "ping", package: "iputils-ping" };
pub const UNSHARE: Need = Need { program: "unshare", package: "util-linux" };
pub const TCPDUMP: Need = Need { program: "tcpdump", package: "tcpdump" };
pub const STRACE: Need = Need { program: "strace", package: "strace" };
pub const DHCP_SERVER: Need = Need { program: "dnsmasq", package: "dnsmasq-base" };
/// It counts instructions.
pub const VALGRIND: Need = Need { program: "valgrind", package: "valgrind" };
/// A system bus, for the tests with firewalld.
pub const DBUS: Need = Need { program: "dbus-daemon", package: "dbus" };
/// The plugins that ours are compared with.
pub const REFERENCE_PLUGINS: Need =
    Need { program: "/usr/lib/cni/bridge", package: "containernetworking-plugins" };
/// A runtime that uses libcni, and its container runtime.
pub const PODMAN: Need = Need { program: "podman", package: "podman" };
pub const CONTAINERD: Need = Need { program: "containerd", package: "containerd" };
pub const PROTOC: Need = Need { program: "protoc", package: "protobuf-compiler" };
pub const RUNC: Need = Need { program: "runc", package: "runc" };
pub const QEMU: Need = Need { program: "qemu-system-x86_64", package: "qemu-system-x86" };
pub const CPIO: Need = Need { program: "cpio", package: "cpio" };
/// Checked in dpkg's list, because the package `busybox` has the same file, but not static.
pub const BUSYBOX: Need =
    Need { program: "/var/lib/dpkg/info/busybox-static.list", package: "busybox-static" };
/// The kernel of the VM.
pub const KERNEL: Need =
    Need { program: "/var/lib/dpkg/info/linux-image-cloud-amd64.list", package: "linux-image-cloud-amd64" };
/// Ubuntu's name for it.
pub const UBUNTU_KERNEL: Need =
    Need { program: "/var/lib/dpkg/info/linux-image-virtual.list", package: "linux-image-virtual" };

/// Installs missing Rust targets.
pub fn ensure_targets(targets: &[&str]) -> Result<()> {
    for target in targets {
        let dir = sh::stdout(Command::new("rustc").args(["--print", "target-libdir", "--target", target]))?;
        if Path::new(dir.trim()).is_dir() {
            continue;
        }
        eprintln!("the Rust target {target} is missing: installing it");
        sh::run(Command::new("rustup").args(["target", "add", target]))
            .with_context(|| format!("the Rust target {target} is missing and could not be installed"))?;
    }
    Ok(())
}

/// Installs the missing Debian packages, with sudo unless we are root.
pub fn ensure_packages(needs: &[Need]) -> Result<()> {
    let missing: Vec<&str> = needs.iter().filter(|need| !is_there(need)).map(|need| need.package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    eprintln!("missing on this machine, installing: {names}");
    if sh::which("apt-get").is_none() {
        bail!("there is no apt-get here: install what Debian calls `{names}` with your package manager");
    }
    let hint = || format!("could not install what is missing; as root: apt-get install {names}");
    sh::run(as_root("apt-get")?.args(["update", "--quiet"])).with_context(hint)?;
    let install = ["install", "--yes", "--quiet", "--no-install-recommends"];
    sh::run(as_root("apt-get")?.args(install).args(&missing)).with_context(hint)
}

/// Whether we are root (in any user namespace).
pub fn is_root() -> Result<bool> {
    Ok(std::fs::metadata("/proc/self").context("failed to read /proc/self")?.uid() == 0)
}

fn is_there(need: &Need) -> bool {
    if need.program.starts_with('/') {
        Path::new(need.program).is_file()
    } else {
        sh::which(need.program).is_some()
    }
}

/// A process that runs as root. sudo asks for a password only on a terminal.
pub fn as_root(program: &str) -> Result<Command> {
    if is_root()? {
        let mut process = Command::new(program);
        process.env("DEBIAN_FRONTEND", "noninteractive");
        return Ok(process);
    }
    if sh::which("sudo").is_none() {
        bail!("we are not root, and there is no sudo");
    }
    let mut process = Command::new("sudo");
    if !std::io::stdin().is_terminal() {
        process.arg("--non-interactive");
    }
    process.args(["env", "DEBIAN_FRONTEND=noninteractive", program]);
    Ok(process)
}
