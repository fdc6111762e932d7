//! `cargo xtask bench`: what ADD and DEL take, beside Debian's plugin on the same configuration in one run.

use crate::workspace::Workspace;
use crate::{dist, machine, netns, sh};
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// The walkthrough's configuration.
const CONFIG: &str = r#"{ "cniVersion": "0.2.0", "name": "mybridge", "type": "bridge", "bridge": "cni_bridge0",
  "isGateway": true, "ipMasq": true,
  "ipam": { "type": "host-local", "subnet": "10.15.20.0/24",
            "routes": [ { "dst": "0.0.0.0/0" }, { "dst": "1.1.1.1/32", "gw": "10.15.20.1" } ] } }
"#;
/// The namespace that each attachment gets, made anew.
pub const NETNS: &str = "bench";
/// In `/run`, which is ours in there.
const CONFIG_PATH: &str = "/run/bench.conf";
const STDOUT_PATH: &str = "/run/bench.stdout";
/// Where Debian puts the reference plugins.
pub const REFERENCE_DIR: &str = "/usr/lib/cni";

/// Builds, and measures in namespaces of its own.
pub fn run(pairs: u16, leases: bool) -> Result<()> {
    machine::ensure_packages(&[
        machine::IPTABLES,
        machine::IP,
        machine::UNSHARE,
        machine::REFERENCE_PLUGINS,
    ])?;
    let dist = dist::build(&Workspace::read()?)?;
    let mut process = netns::process(&dist, &std::env::current_exe()?)?;
    process.args(["bench", "--pairs", &pairs.to_string()]).args(leases.then_some("--leases"));
    sh::run(process.arg("--inside").arg(&dist))
}

/// The times of one plugin.
struct Series<'a> {
    name: &'static str,
    /// Where it and its delegates are.
    dir: &'a Path,
    add: Vec<Duration>,
    del: Vec<Duration>,
}

/// Measures: pair by pair in turn, so that whatever else the machine does hits both.
pub fn measure(pairs: u16, dist: &Path) -> Result<()> {
    fs::write(CONFIG_PATH, CONFIG)?;
    let series = |name, dir| Series { name, dir, add: Vec::new(), del: Vec::new() };
    let mut both = [series("wasm-cni", dist), series("Debian's", Path::new(REFERENCE_DIR))];
    for plugin in &mut both {
        // Not counted: it compiles the components, makes the bridge, and loads modules and pages.
        plugin.pair()?;
        plugin.add.clear();
        plugin.del.clear();
    }
    for _ in 0..pairs {
        for plugin in &mut both {
            plugin.pair()?;
        }
    }
    let [ours, reference] = both.map(|plugin| (plugin.name, median(plugin.add), median(plugin.del)));
    println!("median of {pairs}    {:>10} {:>10}", "ADD", "DEL");
    for (name, add, del) in [ours, reference] {
        println!("{name:<16} {:>8.2}ms {:>8.2}ms", millis(add), millis(del));
    }
    let ratio = |reference: Duration, ours: Duration| reference.as_secs_f64() / ours.as_secs_f64();
    println!(
        "{:<16} {:>9.1}x {:>9.1}x",
        "times faster",
        ratio(reference.1, ours.1),
        ratio(reference.2, ours.2)
    );
    Ok(())
}

impl Series<'_> {
    /// ADD and DEL of one attachment in a fresh namespace.
    fn pair(&mut self) -> Result<()> {
        sh::stdout(Command::new("ip").args(["netns", "add", NETNS]))?;
        self.add.push(time(self.dir, "bridge", "ADD", CONFIG_PATH)?);
        self.del.push(time(self.dir, "bridge", "DEL", CONFIG_PATH)?);
        sh::stdout(Command::new("ip").args(["netns", "del", NETNS])).map(drop)
    }
}

/// What a verb of a plugin in `dir`, where its delegates are too, takes from its start to its end.
pub fn time(dir: &Path, plugin: &str, verb: &str, config: &str) -> Result<Duration> {
    let mut process = Command::new(dir.join(plugin));
    process.env("CNI_COMMAND", verb).env("CNI_CONTAINERID", "bench").env("CNI_IFNAME", "eth0");
    process.env("CNI_NETNS", format!("/run/netns/{NETNS}")).env("CNI_PATH", dir);
    process.stdin(File::open(config)?).stdout(File::create(STDOUT_PATH)?);
    let start = Instant::now();
    let status = process.status().with_context(|| format!("failed to start {}", sh::line(&process)))?;
    let time = start.elapsed();
    if !status.success() {
        bail!("{verb} of {} failed: {}", sh::line(&process), fs::read_to_string(STDOUT_PATH)?);
    }
    Ok(time)
}

/// The middle; of an even number the upper one of the two in the middle.
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
