//! The environment of a measured call: the namespaces of a host and of its containers, new for each turn.

use crate::sh;
use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, setns};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The directory of Debian's reference plugins.
const REFERENCE_DIR: &str = "/usr/lib/cni";
/// The host's namespace.
const HOST: &str = "host";
/// The records of attachments, ours and the reference's, private here; and the lease stores.
pub const KEPT_LEASES: &str = "/var/lib/cni/networks";
const KEPT: [&str; 3] = ["/run/wasm-cni/attachments", KEPT_LEASES, "/run/wasm-cni/leases"];
/// The wait until the kernel has removed a namespace in the background.
const QUIET: Duration = Duration::from_millis(60);

/// One of the two implementations.
#[derive(Clone)]
pub struct Side {
    /// The directory of its plugins.
    pub dir: PathBuf,
    /// Whether it is the reference.
    pub is_reference: bool,
}

/// Ours and Debian's.
pub fn sides(dist: &Path) -> [Side; 2] {
    [
        Side { dir: dist.to_owned(), is_reference: false },
        Side { dir: PathBuf::from(REFERENCE_DIR), is_reference: true },
    ]
}

/// A host and a number of containers, `c0`, `c1`, ….
pub struct World {
    own: File,
    containers: usize,
}

impl World {
    /// Makes the namespaces, without attachments.
    pub fn new(containers: usize) -> Result<World> {
        let own = File::open("/proc/thread-self/ns/net")?;
        let names = (0..containers).map(|number| format!("c{number}"));
        for name in std::iter::once(HOST.to_owned()).chain(names) {
            ip(&["netns", "add", &name])?;
        }
        ip(&["-n", HOST, "link", "set", "lo", "up"])?;
        let world = World { own, containers };
        setns(File::open(netns(HOST))?, CloneFlags::CLONE_NEWNET)?;
        Ok(world)
    }

    /// Removes them, with all records of attachments.
    pub fn end(self) -> Result<()> {
        setns(&self.own, CloneFlags::CLONE_NEWNET)?;
        let names = (0..self.containers).map(|number| format!("c{number}"));
        for name in std::iter::once(HOST.to_owned()).chain(names) {
            ip(&["netns", "del", &name])?;
        }
        for dir in KEPT.map(Path::new).into_iter().filter(|dir| dir.exists()) {
            fs::remove_dir_all(dir)?;
        }
        std::thread::sleep(QUIET);
        Ok(())
    }
}

/// The path of a namespace.
pub fn netns(name: &str) -> String {
    format!("/run/netns/{name}")
}

/// `ip …`.
pub fn ip(words: &[&str]) -> Result<()> {
    sh::stdout(Command::new("ip").args(words)).map(drop)
}

/// One call of a plugin.
pub struct Call<'a> {
    /// The implementation.
    pub side: &'a Side,
    /// The plugin's name.
    pub plugin: &'a str,
    /// The configuration of the call.
    pub config: &'a str,
    /// The container's number.
    pub container: usize,
}

/// The time and output of a call.
pub struct Done {
    /// The time from its start to its end.
    pub took: Duration,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Call<'_> {
    /// The process, with its standard input.
    pub fn process(&self, verb: &str) -> Result<Command> {
        let mut process = Command::new(self.program());
        let name = format!("c{}", self.container);
        process.env("CNI_COMMAND", verb).env("CNI_CONTAINERID", &name).env("CNI_IFNAME", "eth0");
        process.env("CNI_NETNS", netns(&name)).env("CNI_PATH", &self.side.dir);
        process.stdin(self.stdin()?);
        Ok(process)
    }

    /// Another program, with the plugin's environment and input.
    pub fn process_of(&self, program: &Path, verb: &str) -> Result<Command> {
        let of = self.process(verb)?;
        let mut process = Command::new(program);
        process.envs(of.get_envs().filter_map(|(name, value)| Some((name, value?)))).stdin(self.stdin()?);
        Ok(process)
    }

    /// The plugin's program.
    pub fn program(&self) -> PathBuf {
        self.side.dir.join(self.plugin)
    }

    /// The configuration as an open file.
    fn stdin(&self) -> Result<File> {
        let path = format!("/run/bench-{}.json", self.container);
        fs::write(&path, self.config)?;
        Ok(File::open(path)?)
    }

    /// Runs it; an error if it fails.
    pub fn run(&self, verb: &str) -> Result<Done> {
        timed(self.process(verb)?.env("WASM_CNI_TIMINGS", "1"))
    }

    /// Its duration, in milliseconds.
    pub fn millis(&self, verb: &str) -> Result<f64> {
        Ok(millis(self.run(verb)?.took))
    }
}

/// Runs a process to its end; an error if it fails.
pub fn timed(process: &mut Command) -> Result<Done> {
    let line = sh::line(process);
    let (out, err) = ("/run/bench.stdout", "/run/bench.stderr");
    process.stdout(File::create(out)?).stderr(File::create(err)?);
    let start = Instant::now();
    let status = process.status().with_context(|| format!("failed to start {line}"))?;
    let took = start.elapsed();
    let (stdout, stderr) = (fs::read_to_string(out)?, fs::read_to_string(err)?);
    if !status.success() {
        bail!("{line} failed: {stdout}{stderr}");
    }
    Ok(Done { took, stdout, stderr })
}

/// The same in milliseconds.
pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The median; of an even number of values, the mean of the two in the middle.
pub fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle.wrapping_sub(1)), values.get(middle)) {
        (Some(low), Some(high)) if values.len().is_multiple_of(2) => f64::midpoint(*low, *high),
        (_, Some(middle)) => *middle,
        _ => 0.0,
    }
}
