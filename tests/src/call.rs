//! A call of a plugin, as a runtime makes it: environment, standard input, standard output, exit code.

use crate::Machine;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// The time limit of a call: longer than any lock or retry of a plugin.
const PATIENCE: Duration = Duration::from_secs(90);

/// A call; by default for container `1234567890` and interface `eth12`.
#[derive(Debug, Clone)]
pub struct Call {
    /// A program that executes the plugin, with its arguments.
    under: Vec<String>,
    program: PathBuf,
    env: BTreeMap<String, String>,
    config: Vec<u8>,
}

/// The reply.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The exit code; none if a signal ended the process.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Call {
    /// `COMMAND` of the plugin `name` in `dir`, which is `CNI_PATH` too.
    pub fn new(dir: &Path, name: &str, command: &str, config: &str) -> Self {
        let (under, program) = (Vec::new(), dir.join(name));
        let call = Call { under, program, env: BTreeMap::new(), config: config.into() };
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

    /// Runs the plugin under another program, such as `strace`.
    pub fn under(mut self, words: &[String]) -> Self {
        self.under = words.to_vec();
        self
    }

    /// Injects failing system calls: `fault` is the argument of `strace -e inject=fault`. It applies to the plugin
    /// itself, not to its children.
    pub fn with_fault(self, fault: &str) -> Self {
        let calls = fault.split(':').next().unwrap_or_default();
        let (trace, inject) = (format!("trace={calls}"), format!("inject={fault}"));
        let words = ["strace", "-qqq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
        self.under(&words.map(str::to_owned))
    }

    /// Starts the plugin and writes its input; [`Reply::of`] waits for its end.
    pub fn spawn(&self, machine: &Machine) -> Child {
        self.start(machine, Stdio::piped())
    }

    /// The same, with stdout redirected.
    pub fn start(&self, machine: &Machine, stdout: Stdio) -> Child {
        let mut words = self.under.iter().map(OsStr::new).chain([self.program.as_os_str()]);
        let mut command = machine.command(words.next().unwrap_or_default());
        command
            .args(words)
            .env_clear()
            .envs(&self.env)
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .process_group(0);
        let mut child = command.spawn().expect("the plugin starts");
        // A plugin that does not read its input (VERSION) closes it. This is not an error of the test.
        let _ = child.stdin.take().expect("stdin is piped").write_all(&self.config);
        child
    }

    /// Makes the call. A call that exceeds the time limit is killed with its children, so it ends by a signal.
    pub fn run(&self, machine: &Machine) -> Reply {
        let child = self.spawn(machine);
        let group = Pid::from_raw(i32::try_from(child.id()).expect("a process ID"));
        let (ended, end) = mpsc::channel::<()>();
        let watchdog = thread::spawn(move || {
            if end.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = killpg(group, Signal::SIGKILL);
            }
        });
        let reply = Reply::of(child);
        drop(ended);
        watchdog.join().expect("the watchdog ends");
        reply
    }

    /// Makes the call, which must succeed; returns stdout.
    pub fn ok(&self, machine: &Machine) -> String {
        let reply = self.run(machine);
        assert_eq!(reply.code, Some(0), "{:?}\n{}\n{}", self.env, reply.stdout, reply.stderr);
        reply.stdout
    }

    /// Makes the call while other processes keep the machine busy: repeats it if it exceeded a time limit or waited too
    /// long for a lock.
    pub fn run_patiently(&self, machine: &Machine) -> Reply {
        let is_busy = |reply: &Reply| reply.code == Some(1) && [11, 102].contains(&reply.error().0);
        let mut reply = self.run(machine);
        for _ in 0..5 {
            if is_busy(&reply) {
                reply = self.run(machine);
            }
        }
        reply
    }

    /// The same; the call must succeed in the end. Returns stdout.
    pub fn ok_patiently(&self, machine: &Machine) -> String {
        let reply = self.run_patiently(machine);
        assert_eq!(reply.code, Some(0), "{:?}\n{}\n{}", self.env, reply.stdout, reply.stderr);
        reply.stdout
    }

    /// Makes the call, which must fail with exit code 1 and one CNI error on stdout; returns code, msg and details.
    pub fn error(&self, machine: &Machine) -> (u64, String, String) {
        let reply = self.run(machine);
        assert_eq!(reply.code, Some(1), "{}\n{}", reply.stdout, reply.stderr);
        reply.error()
    }
}

impl Reply {
    /// Waits for a started call and returns its reply.
    pub fn of(child: Child) -> Self {
        let output = child.wait_with_output().expect("the plugin ends");
        Reply {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// stdout as a CNI error.
    pub fn error(&self) -> (u64, String, String) {
        let value: Value = serde_json::from_str(&self.stdout).unwrap_or_else(|e| {
            panic!("stdout is no JSON ({e}): {:?}; stderr: {}", self.stdout, self.stderr)
        });
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        (value["code"].as_u64().expect("an error has a code"), text("msg"), text("details"))
    }
}
