//! Networks of a machine, and `wasm-cni` in the role of a runtime.

use crate::native::{Maker, Plugins};
use crate::{Machine, Reply, dist};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The path of the namespace of a test's only container.
pub const NETNS: &str = "/var/run/netns/testing";

/// Network configurations and directories of plugins.
#[derive(Debug)]
pub struct Networks {
    dir: PathBuf,
    path: String,
}

impl Networks {
    /// No networks yet; plugins are in these directories.
    pub fn new(machine: &Machine, path: &[&Path]) -> Self {
        let dir = machine.files().join("net.d");
        std::fs::create_dir_all(&dir).expect("a directory for networks");
        Networks::at(&dir, path)
    }

    /// Networks with the plugins in a directory of the machine.
    pub fn at(dir: &Path, path: &[&Path]) -> Self {
        let path: Vec<String> = path.iter().map(|dir| dir.display().to_string()).collect();
        Networks { dir: dir.to_owned(), path: path.join(":") }
    }

    /// Networks with our `bridge` and `host-local`, and Debian's plugins to chain to them.
    pub fn of_both(machine: &Machine) -> Self {
        let plugins = Plugins::with_bridge(machine);
        plugins.install("host-local", Maker::Ours);
        for name in ["portmap", "firewall", "tuning"] {
            plugins.install(name, Maker::Reference);
        }
        Networks::new(machine, &[plugins.path()])
    }

    /// Writes a network configuration.
    pub fn write(&self, file: &str, text: &str) {
        let file = self.dir.join(file);
        std::fs::create_dir_all(file.parent().unwrap_or(&self.dir)).expect("a directory for networks");
        std::fs::write(file, text).expect("the network is written");
    }

    /// `wasm-cni` with these arguments, before it gets more environment variables.
    pub fn command(&self, machine: &Machine, arguments: &[&str]) -> Command {
        let mut command = machine.command(dist().join("wasm-cni"));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("WASM_CNI_CACHE_DIR", crate::target().join("test-cache"))
            .env("CNI_PATH", &self.path)
            .env("NETCONFPATH", &self.dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Executes it; returns its output.
    pub fn run(&self, machine: &Machine, arguments: &[&str], env: &[(&str, &str)]) -> Reply {
        let mut command = self.command(machine, arguments);
        Reply::of(command.envs(env.iter().copied()).spawn().expect("wasm-cni starts"))
    }

    /// The same for a call that must succeed; returns its standard output.
    pub fn ok(&self, machine: &Machine, arguments: &[&str], env: &[(&str, &str)]) -> String {
        let reply = self.run(machine, arguments, env);
        assert_eq!(reply.code, Some(0), "{arguments:?}\n{}\n{}", reply.stdout, reply.stderr);
        reply.stdout
    }

    /// The same for a call that must fail; returns its standard error.
    pub fn error(&self, machine: &Machine, arguments: &[&str], env: &[(&str, &str)]) -> String {
        let reply = self.run(machine, arguments, env);
        assert_eq!((reply.code, reply.stdout.as_str()), (Some(1), ""), "{arguments:?}\n{}", reply.stderr);
        reply.stderr
    }
}

/// A chain of our bridge and scripts.
pub fn with_scripts(version: &str, scripts: &[&str]) -> String {
    let bridge =
        json!({"type": "bridge", "bridge": "br0", "ipam": {"type": "host-local", "subnet": "10.1.2.0/24"}});
    let scripts = scripts
        .iter()
        .map(|name| json!({"type": name, "capabilities": {"portMappings": true, "mac": false}}));
    let plugins: Vec<Value> = std::iter::once(bridge).chain(scripts).collect();
    json!({"cniVersion": version, "name": "net", "plugins": plugins}).to_string()
}

/// A script that passes `prevResult` on, and records its input in `NAME.COMMAND`.
pub const PASSES_ON: &str = r#"name=$(basename $0); env | grep ^CNI_ | sort > $LOG.$name.$CNI_COMMAND.env
cat > $LOG.$name.$CNI_COMMAND
echo "$name $CNI_COMMAND" >> $LOG.order
[ $CNI_COMMAND != ADD ] || sed -E 's/,"(runtimeConfig|type)":.*//; s/.*"prevResult"://' $LOG.$name.ADD"#;

/// A machine with a network `net` of our bridge and these scripts, each with its body.
pub fn scripted(machine: &Machine, version: &str, scripts: &[(&str, &str)]) -> (Networks, Plugins) {
    let plugins = Plugins::with_bridge(machine);
    plugins.install("host-local", Maker::Ours);
    scripts.iter().for_each(|(name, body)| plugins.script(name, body));
    let networks = Networks::new(machine, &[plugins.path()]);
    let names: Vec<&str> = scripts.iter().map(|(name, _)| *name).collect();
    networks.write("net.conflist", &with_scripts(version, &names));
    (networks, plugins)
}

/// A file that a script wrote: `order`, `NAME.COMMAND`.
pub fn read(plugins: &Plugins, name: &str) -> String {
    let path = plugins.path().join(format!("log.{name}"));
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The standard input of a plugin: `NAME.COMMAND`.
pub fn sent(plugins: &Plugins, name: &str) -> Value {
    serde_json::from_str(&read(plugins, name)).expect("JSON")
}
