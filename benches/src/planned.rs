//! An ADD without its planning: reads the plan from JSON, and checks and applies it with the host's code.
//!
//! `planned --record PLAN` runs the planner for the call in environment and standard input, and writes its plan.
//! `planned PLAN` applies it.

use anyhow::{Context, Result, anyhow, bail};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wasm_cni::apply::{self, StateDir};
use wasm_cni::cni::{CniError, Command, Config, Environment, Request, config};
use wasm_cni::machine::netns::NetnsFile;
use wasm_cni::machine::port::Look as _;
use wasm_cni::node::Node;
use wasm_cni::plan::{self, DraftPlan};
use wasm_cni::planning::{self, Stages};
use wasm_cni::plugin::Plugin;
use wasm_cni::policy::Policy;
use wasm_cni::reference::Identity;
use wasm_cni::sandbox::cache::Cache;
use wasm_cni::sandbox::planner::Waiting;
use wasm_cni::value::{Kind, PluginName};
use wasm_cni::{reference, result, section, verb};
use wasm_cni_memory::Allocator;

/// The allocator of the host.
#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes)?;
    let config = config::decode(&bytes).map_err(as_anyhow)?;
    let env = Environment {
        command: "ADD".to_owned(),
        container_id: variable("CNI_CONTAINERID"),
        netns: variable("CNI_NETNS"),
        interface: variable("CNI_IFNAME"),
        args: String::new(),
        path: variable("CNI_PATH"),
        netns_override: false,
        dry_run: false,
    };
    let path = PathBuf::from(&env.path);
    let node = Node {
        state: StateDir::new("/run/wasm-cni".into()),
        cache: Cache::new(&[variable("WASM_CNI_CACHE_DIR").into()], path.join("wasm-cni-compile"), false),
        netns_override: false,
        policy: Ok(Arc::new(Policy::default())),
        traceparent: String::new(),
    };
    let plugin = PluginName::parse("bridge").map_err(|e| anyhow!("{e}"))?;
    let request = verb::request(Command::Add, &plugin, &env, vec![path], &config).map_err(as_anyhow)?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--record", plan] => record(&node, &request, &config, Path::new(plan)),
        [plan] => apply(&node, &request, &config, Path::new(plan)),
        _ => bail!("usage: planned [--record] PLAN"),
    }
}

fn as_anyhow(error: CniError) -> anyhow::Error {
    anyhow!("{}: {}", error.msg, error.details)
}

fn record(node: &Node, request: &Request, config: &Config, to: &Path) -> Result<()> {
    let grants = reference::grants(
        request,
        config,
        None,
        node.policy().map_err(as_anyhow)?,
        &Identity::named(&request.plugin),
    );
    let planner = Waiting::spawn().map_err(as_anyhow)?;
    let plugin = Plugin::find(node, request, &request.plugin).map_err(as_anyhow)?;
    let mut machine = node.machine(plugin.description.netns(node, request).map_err(as_anyhow)?, true);
    let begun = planning::begin(planner, request, plugin, node.policy().map_err(as_anyhow)?, Vec::new())
        .map_err(as_anyhow)?;
    let planned = planning::plan(node, request, begun, grants, &mut machine, Stages::Shown { undone: &[] })
        .map_err(as_anyhow)?;
    Ok(std::fs::write(to, serde_json::to_vec(&planned.draft)?)?)
}

fn apply(node: &Node, request: &Request, config: &Config, from: &Path) -> Result<()> {
    let draft: DraftPlan = serde_json::from_slice(&std::fs::read(from)?).context("the plan")?;
    let netns = NetnsFile::open(&request.netns)?;
    let id = Some(netns.id());
    let journal = node.state.lock(&request.attachment)?;
    let mut machine = node.locked_machine(Some(netns), &journal);
    machine.prepare();
    let grants = reference::grants(
        request,
        config,
        None,
        node.policy().map_err(as_anyhow)?,
        &Identity::named(&request.plugin),
    );
    let plan = plan::check(draft, &[], &grants, &[]).map_err(|refused| as_anyhow(grants.denied(&refused)))?;
    let mut writer = section::begin(request, &journal, id, Vec::new(), Kind::Main).map_err(as_anyhow)?;
    apply::execute(&plan, &mut writer, &node.state, &mut machine)?;
    let text = result::text(plan.report(), request, &config.cni_version, &mut machine).map_err(as_anyhow)?;
    writer.complete(plan.report())?;
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}
