//! A peer that speaks the socket protocol of the planner, and sends what no guest can make a planner send.
//!
//! The host answers it as in an ADD: planning, policy, apply, on the machine in memory. Whatever the peer sends, the ADD
//! ends in bounded time, with one CNI error, and the machine is as before.

use serde_json::{Value, json};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use wasm_cni::apply::StateDir;
use wasm_cni::audit::Audited;
use wasm_cni::cni::{CniError, Request, result};
use wasm_cni::node::Node;
use wasm_cni::plan;
use wasm_cni::planning::{self, Begun, Planned, Stages};
use wasm_cni::sandbox::limits::Limits;
use wasm_cni::sandbox::{Cache, Planner};
use wasm_cni::section;
use wasm_cni_fake::FakeMachine;
use wasm_cni_plans::scene::{EVERYTHING, Scene, WALKTHROUGH};

mod drafts;
mod frames;
mod turns;

/// The longest ADD: the planner's time, and what policy and apply take on a slow machine.
const BOUND: Duration = Duration::from_secs(8);

/// What became of an ADD.
struct Ended {
    /// The error for the runtime.
    result: Result<(), CniError>,
    /// Whether the machine is as before, with no journal.
    is_as_before: bool,
    /// The machine.
    machine: String,
    took: Duration,
}

impl Ended {
    /// The error, of an ADD that changed nothing.
    fn refused(self, what: &str) -> CniError {
        let error = self.result.expect_err(what);
        assert!(self.is_as_before, "{what}: the machine has changed, and the ADD ended with {error:?}");
        assert!(self.took < BOUND, "{what}: {:?}", self.took);
        assert!(error.msg.len() + error.details.len() < 100 << 10, "{what}: an error of any length");
        error
    }
}

/// One ADD whose planner is `peer`, at the other end of the socket.
fn add(scene: &Scene, peer: impl FnOnce(&mut UnixStream) -> io::Result<()> + Send + 'static) -> Ended {
    let directory = TempDir::new().unwrap();
    let native = native(&directory);
    let node = Node {
        state: StateDir::new(directory.path().join("state")),
        cache: Cache::new(&[], PathBuf::new(), true),
        netns_override: false,
        policy: Ok(Arc::default()),
        traceparent: String::new(),
    };
    let request = Request { path: vec![directory.path().to_owned()], ..scene.request() };
    let mut machine = FakeMachine::new().with_program(native, answer);
    let before = machine.snapshot();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    // The host stops to read when it knows enough. Then the peer's write fails.
    let peer = std::thread::spawn(move || drop(peer(&mut theirs)));
    let begun = Instant::now();
    let result = attach(&node, scene, &request, Planner::at(&request, Limits::default(), ours), &mut machine);
    let took = begun.elapsed();
    peer.join().unwrap();
    machine.next_verb();
    let machine = machine.snapshot();
    let is_as_before = machine == before && node.state.sections(None).is_empty();
    Ended { result, is_as_before, machine, took }
}

/// `run::add`, with a machine in memory.
fn attach(
    node: &Node,
    scene: &Scene,
    request: &Request,
    planner: Planner,
    machine: &mut FakeMachine,
) -> Result<(), CniError> {
    let journal = node.state.lock(&request.attachment)?;
    let record = node.record(Audited::Add, request.into());
    let stages = Stages::Applied { journal: &journal, netns_id: None, record: &record };
    let planned = planning::plan(node, request, Begun::at(planner), scene.grants(), machine, stages)?;
    let Planned { draft, applied, writer, grants, .. } = planned;
    let checked = plan::check(draft, &applied, &grants, &[])
        .map_err(|violations| grants.denied(&violations))
        .and_then(|plan| result::check(plan.report(), &request.cni_version).map(|()| plan));
    let (plan, mut writer) = match (checked, writer) {
        (Ok(plan), Some(writer)) => (plan, writer),
        (Ok(plan), None) => (plan, section::begin(request, &journal, None, Vec::new(), grants.own.kind)?),
        (Err(error), Some(writer)) => {
            return Err(section::abandon(node, &journal, &writer, machine, error));
        }
        (Err(error), None) => return Err(error),
    };
    section::apply(node, &journal, &mut writer, &plan, machine)?;
    writer.complete(plan.report())?;
    Ok(())
}

/// The native IPAM plugin, as far as the lookup sees it.
fn native(directory: &TempDir) -> PathBuf {
    let program = directory.path().join("host-local");
    std::fs::write(&program, "").unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    program
}

/// What the native IPAM plugin does: it keeps a file from ADD to DEL.
fn answer(call: &wasm_cni::machine::port::ProgramCall, files: &mut wasm_cni_fake::Files) -> Output {
    let kept = PathBuf::from("/run/networks/kept");
    let stdout = match call.verb {
        "ADD" => {
            files.insert(kept, Vec::new());
            r#"{"cniVersion": "1.0.0", "ips": [{"address": "10.15.20.2/24", "gateway": "10.15.20.1"}]}"#
        }
        _ => {
            files.remove(&kept);
            ""
        }
    };
    Output { status: ExitStatus::from_raw(0), stdout: stdout.into(), stderr: Vec::new() }
}

/// A message as a frame: its length in four bytes, and JSON.
fn frame(message: &Value) -> Vec<u8> {
    bytes(message.to_string().as_bytes())
}

/// Bytes as a frame.
fn bytes(message: &[u8]) -> Vec<u8> {
    [&u32::try_from(message.len()).unwrap().to_le_bytes(), message].concat()
}

/// Sends everything, and then nothing more. It takes the answers, so that no write of the host fails.
fn say(socket: &mut UnixStream, frames: &[Vec<u8>]) -> io::Result<()> {
    frames.iter().try_for_each(|frame| socket.write_all(frame))?;
    socket.shutdown(Shutdown::Write)?;
    hold(socket)
}

/// The same, from values.
fn send(scene: &Scene, messages: &[Value]) -> Ended {
    let frames: Vec<Vec<u8>> = messages.iter().map(frame).collect();
    add(scene, move |socket| say(socket, &frames))
}

/// Reads until the host closes the connection, and sends nothing.
fn hold(socket: &mut UnixStream) -> io::Result<()> {
    io::copy(socket, &mut io::sink()).map(drop)
}

/// Reads one frame of the host.
fn heard(socket: &mut UnixStream) -> io::Result<Value> {
    let mut length = [0; 4];
    socket.read_exact(&mut length)?;
    let mut message = vec![0; usize::try_from(u32::from_le_bytes(length)).unwrap()];
    socket.read_exact(&mut message)?;
    Ok(serde_json::from_slice(&message)?)
}

/// The question for the IPAM plugin, which entries of a plan need.
fn load() -> Value {
    json!({"load": ["bridge", "host-local"]})
}

/// The message with the plan of a scene.
fn plan_of(scene: &Scene) -> Value {
    json!({"plan": scene.draft()})
}

#[test]
fn what_an_honest_planner_says_is_applied() {
    let ended = send(&WALKTHROUGH, &[load(), plan_of(&WALKTHROUGH)]);
    assert!(ended.result.is_ok(), "{:?}", ended.result);
    assert!(!ended.is_as_before);
    let ended = send(&EVERYTHING, &[load(), plan_of(&EVERYTHING)]);
    assert!(ended.result.is_ok(), "{:?}", ended.result);
}
