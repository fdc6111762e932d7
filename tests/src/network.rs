//! Networks of a machine, and what `wasm-cni` does with them as a runtime does.

use crate::native::{Maker, Plugins};
use crate::{Machine, Reply, dist};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where the namespace of a test's one container is.
pub const NETNS: &str = "/var/run/netns/testing";

/// Files of networks and directories of plugins.
#[derive(Debug)]
pub struct Networks {
    dir: PathBuf,
    path: String,
}

impl Networks {
    /// None yet; plugins are found in these directories.
    pub fn new(machine: &Machine, path: &[&Path]) -> Self {
        let dir = machine.files().join("net.d");
        std::fs::create_dir_all(&dir).expect("a directory for networks");
        Networks::at(&dir, path)
    }

    /// Those in a directory of the machine's own.
    pub fn at(dir: &Path, path: &[&Path]) -> Self {
        let path: Vec<String> = path.iter().map(|dir| dir.display().to_string()).collect();
        Networks { dir: dir.to_owned(), path: path.join(":") }
    }

    /// With our `bridge` and `host-local`, and Debian's plugins to chain to them.
    pub fn of_both(machine: &Machine) -> Self {
        let plugins = Plugins::with_bridge(machine);
        plugins.install("host-local", Maker::Ours);
        for name in ["portmap", "firewall", "tuning"] {
            plugins.install(name, Maker::Reference);
        }
        Networks::new(machine, &[plugins.path()])
    }

    /// Writes a file of one.
    pub fn write(&self, file: &str, text: &str) {
        let file = self.dir.join(file);
        std::fs::create_dir_all(file.parent().unwrap_or(&self.dir)).expect("a directory for networks");
        std::fs::write(file, text).expect("the network is written");
    }

    /// `wasm-cni` with these arguments, ready to be given more of an environment.
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

    /// Executes it; gives what came of it.
    pub fn run(&self, machine: &Machine, arguments: &[&str], env: &[(&str, &str)]) -> Reply {
        let mut command = self.command(machine, arguments);
        Reply::of(command.envs(env.iter().copied()).spawn().expect("wasm-cni starts"))
    }

    /// The same, which has to succeed; gives its standard output.
    pub fn ok(&self, machine: &Machine, arguments: &[&str], env: &[(&str, &str)]) -> String {
        let reply = self.run(machine, arguments, env);
        assert_eq!(reply.code, Some(0), "{arguments:?}\n{}\n{}", reply.stdout, reply.stderr);
        reply.stdout
    }

    /// The same, which has to fail; gives its standard error.
    pub fn error(&self, machine: &Machine, arguments: &[&str], env: &[(&str, &str)]) -> String {
        let reply = self.run(machine, arguments, env);
        assert_eq!((reply.code, reply.stdout.as_str()), (Some(1), ""), "{arguments:?}\n{}", reply.stderr);
        reply.stderr
    }
}

/// A bridge of ours, then scripts.
pub fn with_scripts(version: &str, scripts: &[&str]) -> String {
    let bridge =
        json!({"type": "bridge", "bridge": "br0", "ipam": {"type": "host-local", "subnet": "10.1.2.0/24"}});
    let scripts = scripts
        .iter()
        .map(|name| json!({"type": name, "capabilities": {"portMappings": true, "mac": false}}));
    let plugins: Vec<Value> = std::iter::once(bridge).chain(scripts).collect();
    json!({"cniVersion": version, "name": "net", "plugins": plugins}).to_string()
}

/// A script that passes `prevResult` on, and keeps what it gets in `NAME.COMMAND`.
pub const PASSES_ON: &str = r#"name=$(basename $0); env | grep ^CNI_ | sort > $LOG.$name.$CNI_COMMAND.env
cat > $LOG.$name.$CNI_COMMAND
echo "$name $CNI_COMMAND" >> $LOG.order
[ $CNI_COMMAND != ADD ] || sed -E 's/,"(runtimeConfig|type)":.*//; s/.*"prevResult"://' $LOG.$name.ADD"#;

/// A machine's network `net` of a bridge of ours and these scripts, each with its body.
pub fn scripted(machine: &Machine, version: &str, scripts: &[(&str, &str)]) -> (Networks, Plugins) {
    let plugins = Plugins::with_bridge(machine);
    plugins.install("host-local", Maker::Ours);
    scripts.iter().for_each(|(name, body)| plugins.script(name, body));
    let networks = Networks::new(machine, &[plugins.path()]);
    let names: Vec<&str> = scripts.iter().map(|(name, _)| *name).collect();
    networks.write("net.conflist", &with_scripts(version, &names));
    (networks, plugins)
}

/// What a script keeps: `order`, `NAME.COMMAND`.
pub fn read(plugins: &Plugins, name: &str) -> String {
    let path = plugins.path().join(format!("log.{name}"));
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// What a plugin got on standard input: `NAME.COMMAND`.
pub fn sent(plugins: &Plugins, name: &str) -> Value {
    serde_json::from_str(&read(plugins, name)).expect("JSON")
}
