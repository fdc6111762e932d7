//! Environment and standard input → request.
//!
//! An input is a variable a line, `CNI_COMMAND=ADD`, then standard input from the first line that begins with `{`, or that is
//! empty.

use wasm_cni::cni::result::go_json;
use wasm_cni::cni::{Call, CniError, CniResult, Command, Config, Environment, Request, command, config};
use wasm_cni::cni::{previous, result, version};
use wasm_cni::reference::{self, Identity};
use wasm_cni::value::{Attachment, PluginName, Report, derive};
use wasm_cni::verb;

/// The longest alias of a link (`IFALIASZ`), bytes.
const ALIAS_BYTES: usize = 255;

/// Decodes a call, and reads all of the configuration that any verb reads.
///
/// # Panics
/// If any of that does; if an error is no CNI error; if what was validated is not valid; if a result that was read, and is told
/// again, is another.
pub fn run(data: &[u8]) {
    let (env, stdin) = split(data);
    let call = command::decode(&env);
    let config = config::decode(stdin);
    call.as_ref().err().into_iter().for_each(check_error);
    config.as_ref().err().into_iter().for_each(check_error);
    let Ok(config) = config else { return };
    assert!(config::network(stdin).is_ok(), "an unknown command gets as far");
    look_at(&config, &env.args);
    let Ok(Call::Verb(verb)) = call else { return };
    let plugin = PluginName::parse("bridge").expect("a name");
    let path = env.path.split(':').filter(|dir| !dir.is_empty()).map(Into::into).collect();
    match verb::request(verb, &plugin, &env, path, &config) {
        Ok(request) => check(&request, &config),
        Err(error) => assert_eq!(verb, Command::Version, "{error:?} in spite of validation"),
    }
}

fn split(data: &[u8]) -> (Environment, &[u8]) {
    let mut env = Environment::default();
    let mut rest = data;
    while !rest.is_empty() && !rest.starts_with(b"{") {
        let end = rest.iter().position(|byte| *byte == b'\n');
        let (line, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after.get(1..).unwrap_or_default();
        // As the process reads its environment.
        let line = String::from_utf8_lossy(line);
        let Some((name, value)) = line.split_once('=') else { break };
        let value = value.to_owned();
        match name {
            "CNI_COMMAND" => env.command = value,
            "CNI_CONTAINERID" => env.container_id = value,
            "CNI_NETNS" => env.netns = value,
            "CNI_IFNAME" => env.interface = value,
            "CNI_ARGS" => env.args = value,
            "CNI_PATH" => env.path = value,
            _ => {}
        }
    }
    (env, rest)
}

fn check_error(error: &CniError) {
    assert!((1..=999).contains(&error.code) && !error.msg.is_empty(), "{error:?}");
    let read_back: CniError = serde_json::from_str(&go_json(error)).expect("JSON");
    assert_eq!(&read_back, error);
}

/// Everything that some verb reads of a configuration.
fn look_at(config: &Config, args: &str) {
    let errors = [
        config.check_common().err(),
        config.previous().err(),
        config.previous_interfaces().err(),
        config.valid_attachments().err(),
        command::gate_config("CHECK", "0.4.0", &config.cni_version).err(),
        command::gate_plugin("GC", &config.cni_version, &version::all()).err(),
    ];
    errors.iter().flatten().for_each(check_error);
    assert!(config.link(args).vlans().iter().all(|vid| (1..=4094).contains(vid)));
    let _ = (config.data_dir(), config.resolv_conf(), config.ipam_type());
    if let Ok(Some(report)) = config.previous() {
        tell_again(&report, &config.cni_version);
    }
}

/// A result that was read is told, in every version, as it can be told there.
fn tell_again(report: &Report, own: &str) {
    for version in version::ALL {
        let Ok(written) = result::in_version(report.clone(), version) else { continue };
        let Report { passed: interfaces, ips, routes, dns, .. } = written.clone();
        let text = result::encode(&CniResult { interfaces, ips, routes, dns }, version);
        let text = text.unwrap_or_else(|error| panic!("{version}: {error:?}"));
        let value = serde_json::from_str(&text).expect("JSON");
        let read =
            previous::decode(&value, version).unwrap_or_else(|error| panic!("{version}: {error:?}\n{text}"));
        // An old one has no place for interfaces.
        let (read, written) = if own == version { (read, written) } else { (bare(read), bare(written)) };
        assert_eq!(read, written, "{version}\n{text}");
    }
}

fn bare(mut report: Report) -> Report {
    report.passed.clear();
    report.ips.iter_mut().for_each(|ip| ip.interface = None);
    report
}

fn check(request: &Request, config: &Config) {
    let Attachment { network, container, interface } = &request.attachment;
    for id in [network.as_str(), container.as_str()] {
        let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        assert!(id.starts_with(|c: char| c.is_ascii_alphanumeric()) && id.chars().all(inner), "{id:?}");
    }
    let name = interface.as_str();
    assert!(!name.is_empty() && name.len() < 16 && !matches!(name, "." | ".."), "{name:?}");
    assert!(!name.contains(|c: char| matches!(c, '/' | ':' | '%') || c.is_whitespace() || c.is_control()));

    let attachment = &request.attachment;
    assert!(derive::host_veth(attachment, 0).is_ok() && derive::key(attachment).len() == 40);
    assert!(derive::alias(attachment).len() <= ALIAS_BYTES && derive::chain(attachment).len() < 29);
    assert!(derive::nft_comment(attachment).len() <= 128);
    let json = serde_json::to_string(request).expect("JSON");
    assert_eq!(&serde_json::from_str::<Request>(&json).expect("a request"), request);
    let previous = config.previous().ok().flatten();
    drop(reference::grants(
        request,
        config,
        previous.as_ref(),
        &Default::default(),
        &Identity::named(&request.plugin),
    ));
}
