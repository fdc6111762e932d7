//! A call of a plugin as a runtime makes it: environment, standard input, standard output, exit code.

use crate::Machine;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// A call; made for container `1234567890` and interface `eth12` unless told otherwise.
#[derive(Debug, Clone)]
pub struct Call {
    program: PathBuf,
    env: BTreeMap<String, String>,
    config: Vec<u8>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The exit code; none when it died by a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Call {
    /// `COMMAND` of the plugin `name` in `dir`, which is `CNI_PATH` too.
    pub fn new(dir: &Path, name: &str, command: &str, config: &str) -> Self {
        let call = Call { program: dir.join(name), env: BTreeMap::new(), config: config.into() };
        call.env("CNI_COMMAND", command)
            .env("CNI_CONTAINERID", "1234567890")
            .env("CNI_IFNAME", "eth12")
            .env("CNI_NETNS", "/var/run/netns/1234567890")
            .env("CNI_PATH", &dir.display().to_string())
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("WASM_CNI_CACHE_DIR", &crate::target().join("test-cache").display().to_string())
    }

    /// `bridge` from the installed tree.
    pub fn bridge(command: &str, config: &str) -> Self {
        Call::new(&crate::dist(), "bridge", command, config)
    }

    /// With a variable; an empty value counts as missing, as for the plugins themselves.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// For another container, in the namespace of that name.
    pub fn container(self, id: &str) -> Self {
        self.env("CNI_CONTAINERID", id).env("CNI_NETNS", &format!("/var/run/netns/{id}"))
    }

    /// Makes the call.
    pub fn run(&self, machine: &Machine) -> Reply {
        let mut command = machine.command(&self.program);
        command
            .env_clear()
            .envs(&self.env)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the plugin starts");
        // A plugin that does not read its input (VERSION) closes it: not an error of ours.
        let _ = child.stdin.take().expect("stdin is piped").write_all(&self.config);
        let output = child.wait_with_output().expect("the plugin ends");
        Reply {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Makes the call, which must succeed; gives stdout.
    pub fn ok(&self, machine: &Machine) -> String {
        let reply = self.run(machine);
        assert_eq!(reply.code, Some(0), "{:?}\n{}\n{}", self.env, reply.stdout, reply.stderr);
        reply.stdout
    }

    /// Makes the call, which must fail with exit code 1 and one CNI error on stdout; gives code, msg and details.
    pub fn error(&self, machine: &Machine) -> (u64, String, String) {
        let reply = self.run(machine);
        assert_eq!(reply.code, Some(1), "{}\n{}", reply.stdout, reply.stderr);
        reply.error()
    }
}

impl Reply {
    /// stdout as a CNI error.
    pub fn error(&self) -> (u64, String, String) {
        let value: Value = serde_json::from_str(&self.stdout).unwrap_or_else(|e| {
            panic!("stdout is no JSON ({e}): {:?}; stderr: {}", self.stdout, self.stderr)
        });
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        (value["code"].as_u64().expect("an error has a code"), text("msg"), text("details"))
    }
}
