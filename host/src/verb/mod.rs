//! The verbs other than ADD, and the dispatch of a call to its verb.

pub mod attached;
pub mod check;
pub mod collect;
pub mod del;
pub mod drift;
pub mod dry;
pub mod gc;
pub mod lasting;
pub mod output;
pub mod previous_interfaces;
pub mod repair;
pub mod status;

pub use output::Output;

use crate::audit::{Audited, Subject};
use crate::cni::command::{self, gate_config, gate_plugin};
use crate::cni::{Call, CniError, Command, Config, Environment, ErrorKind, Request, config, version};
use crate::node::Node;
use crate::patience;
use crate::plugin::Description;
use crate::run;
use crate::sandbox::own;
use crate::sandbox::planner::Waiting;
use crate::timings;
use crate::value::PluginName;
use serde::Serialize;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::time::Duration;

/// Serves one call of the runtime under the plugin name `plugin`: validates it in the reference's order, then runs
/// the verb.
///
/// VERSION and the banner need no `CNI_PATH`. ADD writes its result to `stdout` itself, because a failed write undoes the
/// ADD. ADD uses `planner` if it was started, and otherwise starts one.
pub fn call(
    node: &Node,
    plugin: &PluginName,
    env: &Environment,
    planner: Option<Waiting>,
    stdin: &mut dyn Read,
    stdout: &mut dyn Write,
) -> Result<Output, CniError> {
    let mut path = command::path(&env.path);
    let verb = match command::decode(env)? {
        Call::Banner => {
            path.extend(own::directories());
            return Ok(Output::Stderr(command::banner(plugin.as_str(), &supported(node, &path, plugin)?)));
        }
        Call::Verb(Command::Version) => {
            path.extend(own::directories());
            return Ok(Output::Stdout(versions(&supported(node, &path, plugin)?)));
        }
        Call::Verb(verb) => Some(verb),
        Call::Unknown(_) => None,
    };
    // Large enough to read most configurations with one system call.
    let mut bytes = Vec::with_capacity(8 << 10);
    stdin
        .take(config::MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| CniError::new(ErrorKind::StdinUnreadable, format!("error reading from stdin: {e}")))?;
    let Some(verb) = verb else {
        config::network(&bytes)?;
        let msg = format!("unknown CNI_COMMAND: {}", env.command);
        return Err(CniError::new(ErrorKind::UnknownCommand, msg));
    };
    let config = config::decode(&bytes)?;
    timings::ended("request");
    patience::begin(longest_wait(verb));
    let version = config.cni_version.as_str();
    let nothing = |()| Output::Stdout(String::new());
    match verb {
        Command::Version => Ok(Output::Stdout(String::new())),
        Command::Add => {
            let request = request(verb, plugin, env, path, &config)?;
            if env.dry_run {
                return dry::of_runtime(node, &request, &config);
            }
            let planner = planner.map_or_else(Waiting::spawn, Ok)?;
            let mut record = node.record(Audited::Add, (&request).into());
            let added = run::add(node, planner, &request, &config, &mut record, stdout);
            record.end(&added);
            added.map(nothing)
        }
        Command::Del if env.dry_run => {
            dry::del_of_runtime(node, &request(verb, plugin, env, path, &config)?, &config)
        }
        Command::Del => {
            let request = request(verb, plugin, env, path, &config)?;
            let record = node.record(Audited::Del, (&request).into());
            let deleted = del::del(node, &request, &config);
            record.end(&deleted);
            deleted.map(nothing)
        }
        Command::Check => {
            let request = request(verb, plugin, env, path, &config)?;
            gate_config("CHECK", "0.4.0", version)?;
            let plugin = Description::find(node, &request, plugin)?;
            gate_plugin("CHECK", version, &plugin.manifest.cni_versions)?;
            plugin.check_config(&config)?;
            check::check(node, &request, &config, &plugin).map(nothing)
        }
        Command::Gc => {
            // GC, like DEL, works without the component.
            gate_config("GC", "1.1.0", version)?;
            gate_plugin("GC", version, &version::all())?;
            let request = request(verb, plugin, env, path, &config)?;
            if env.dry_run {
                let removed = gc::gc(node, &request, &config, true)?;
                return Ok(Output::Dry(removed, dry::refused("GC")));
            }
            let subject = Subject { attachment: None, ..(&request).into() };
            let record = node.record(Audited::Gc, subject);
            let collected = gc::gc(node, &request, &config, false);
            record.end(&collected);
            collected.map(|_| nothing(()))
        }
        Command::Status => {
            gate_config("STATUS", "1.1.0", version)?;
            status::status(node, &request(verb, plugin, env, path, &config)?, &config).map(nothing)
        }
    }
}

/// The longest time that a verb waits for others. ADD and CHECK end within 10 s, DEL within 20 s: the rest is for their
/// work, and for a rollback. GC works on many attachments.
fn longest_wait(verb: Command) -> Option<Duration> {
    match verb {
        Command::Add | Command::Check | Command::Status | Command::Version => Some(Duration::from_secs(7)),
        Command::Del => Some(Duration::from_secs(15)),
        Command::Gc => None,
    }
}

/// The CNI versions that the component supports.
fn supported(node: &Node, path: &[PathBuf], plugin: &PluginName) -> Result<Vec<String>, CniError> {
    Ok(Description::find_on(node, path, None, plugin)?.manifest.cni_versions.clone())
}

/// The answer to VERSION: compact JSON with a newline, as in the reference.
fn versions(supported: &[String]) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Versions<'a> {
        cni_version: &'a str,
        supported_versions: &'a [String],
    }
    let versions = Versions { cni_version: version::CURRENT, supported_versions: supported };
    // Serializing text into memory cannot fail. If it did, the empty answer would show it.
    serde_json::to_string(&versions).unwrap_or_default() + "\n"
}

/// The container ID in requests for STATUS and GC, which are not about an attachment. Nothing that is recorded for it
/// is applied.
pub const NOBODY: &str = "nobody";

/// A request from variables that [`command::decode`] has validated.
pub fn request(
    verb: Command,
    plugin: &PluginName,
    env: &Environment,
    path: Vec<PathBuf>,
    config: &Config,
) -> Result<Request, CniError> {
    let (container, interface) = match verb {
        Command::Status | Command::Gc => (NOBODY, NOBODY),
        _ => (env.container_id.as_str(), env.interface.as_str()),
    };
    Ok(Request {
        command: verb,
        plugin: plugin.clone(),
        attachment: command::attachment(&config.name, container, interface)?,
        netns: env.netns.clone(),
        path,
        args: env.args.clone(),
        config: config.text.clone(),
        cni_version: config.cni_version.clone(),
    })
}
