//! The parent's side of the planner protocol, with anybody at the other end.
//!
//! An input is a message a line, without its length. One that begins with `raw` is what comes after that, byte for byte.

use crate::machine::{self, Beside};
use crate::world::World;
use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use wasm_cni::action::{Answer, Query};
use wasm_cni::cni::{CniError, Config, ErrorKind, Request, config};
use wasm_cni::plan::{self, DraftPlan};
use wasm_cni::reference::{self, Identity};
use wasm_cni::sandbox::Planner;
use wasm_cni::sandbox::limits::{self, Limits};
use wasm_cni::sandbox::planner::{Delegated, Service, Services};
use wasm_cni::value::{PluginName, Report};
use wasm_cni_fake::FakeMachine;

/// The walkthrough.
const CONFIG: &str = r#"{"cniVersion": "1.0.0", "name": "mybridge", "type": "bridge", "bridge": "cni_bridge0", "vlan": 5,
    "ipam": {"type": "host-local", "subnet": "10.15.20.0/24", "dataDir": "/run/networks", "resolvConf": "/run/resolv.conf",
    "ranges": [[{"subnet": "fd00:15::/64"}]]}}"#;

/// More than the buffer of a socket would let us wait for ourselves.
const MOST: usize = 64 << 10;

/// Serves a planner that says this and no more. A plan that is believed, and that policy allows, is applied and taken back.
///
/// # Panics
/// If the parent does; if it does more for a planner than an honest one needs, or believes what none can say; if anything does
/// not hold of [`machine::apply_and_undo`].
pub fn run(data: &[u8]) {
    let frames = match data.strip_prefix(b"raw") {
        Some(raw) => raw.to_vec(),
        None => data.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).flat_map(frame).collect(),
    };
    if frames.len() > MOST {
        return;
    }
    let (config, request) = walkthrough();
    let grants =
        reference::grants(&request, &config, None, &Default::default(), &Identity::named(&request.plugin));
    let world = World::new(FakeMachine::new(), grants.clone());
    let mut parent =
        Parent { world, plugins: vec![request.plugin.clone()], asked: 0, loaded: 0, delegated: 0 };
    match serve(&request, &frames, &mut parent) {
        Err(error) => {
            assert!(error.msg.len() <= limits::ERROR_MSG_BYTES, "{error:?}");
            assert!(error.details.len() <= limits::ERROR_DETAILS_BYTES, "{error:?}");
        }
        Ok(plan) => {
            parent.check(&plan);
            if let Ok(plan) = plan::check(plan, &[], &grants, &[]) {
                machine::apply_and_undo(&plan, &request, &parent.world.machine, None, &Beside::NOBODY);
            }
        }
    }
}

fn walkthrough() -> (Config, Request) {
    let config = config::decode(CONFIG.as_bytes()).expect("a configuration");
    let request = crate::case::request(&config).expect("a request");
    (config, request)
}

fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&length.to_le_bytes(), message].concat()
}

fn serve(request: &Request, frames: &[u8], parent: &mut Parent) -> Result<DraftPlan, CniError> {
    let (ours, mut theirs) = UnixStream::pair().expect("a pair of sockets");
    theirs.write_all(frames).expect("room in the socket");
    theirs.shutdown(Shutdown::Write).expect("a connection");
    Planner::at(request, Limits::default(), ours).serve(parent)
}

/// Whoever serves the planner, and counts.
struct Parent {
    world: World,
    /// Those that ran.
    plugins: Vec<PluginName>,
    asked: usize,
    loaded: usize,
    delegated: usize,
}

impl Parent {
    fn believes(&self, plugin: &PluginName) {
        assert!(self.plugins.contains(plugin), "{plugin} did not run");
    }

    /// What is believed of a plan.
    fn check(&self, plan: &DraftPlan) {
        assert!(plan.entries.len() <= limits::ACTIONS);
        plan.entries.iter().for_each(|entry| self.believes(&entry.plugin));
        let report = &plan.report;
        assert!(report.passed.is_empty(), "nothing came before");
        let links = report.links.len();
        assert!(
            [links, report.ips.len(), report.routes.len()].iter().all(|length| *length <= limits::ACTIONS)
        );
        assert!(report.dns.bytes() <= limits::DNS_BYTES);
        assert!(report.ips.iter().all(|ip| ip.interface.is_none_or(|index| index < links)));
    }
}

impl Services for Parent {
    fn ask(&mut self, asks: &PluginName, query: &Query) -> Answer {
        self.asked += 1;
        assert!(self.asked <= limits::QUESTIONS);
        self.believes(asks);
        self.world.ask(asks, query)
    }

    fn load(&mut self, caller: &PluginName, plugin: &PluginName) -> Result<Service, CniError> {
        self.loaded += 1;
        assert!(self.loaded <= limits::DELEGATIONS);
        self.believes(caller);
        self.world.find(caller, plugin)?;
        self.plugins.push(plugin.clone());
        Ok(Service::Native)
    }

    fn delegate(&mut self, plugin: &PluginName, stage: DraftPlan) -> Result<Delegated, CniError> {
        self.delegated += 1;
        assert!(self.delegated <= limits::DELEGATIONS);
        self.check(&stage);
        // As by a native plugin, a dry run, and one that fails.
        match (plugin.as_str(), stage.entries.len() % 2) {
            ("host-local", 0) => Ok(Delegated::Answered(Report::default())),
            ("host-local", _) => Ok(Delegated::Ended(stage)),
            _ => Ok(Delegated::Refused(CniError::new(ErrorKind::NativeNotExecuted, "it failed"))),
        }
    }
}
