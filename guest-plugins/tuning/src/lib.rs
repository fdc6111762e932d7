//! tuning: sets kernel parameters of the container, and attributes of its interface.

mod config;

use config::Config;
use wasm_cni_sdk::links::Link;
use wasm_cni_sdk::{Error, Netns, file, request, results, sysctls};

wasm_cni_sdk::plugin!(kind: Chained, type: "tuning", versions: wasm_cni_sdk::ALL_VERSIONS, add: add);

/// The parameters that the node's administrator allows, one regular expression per line. Without the file, all are
/// allowed.
const ALLOWLIST: &str = "/etc/cni/tuning/allowlist.conf";

fn add() -> Result<(), Error> {
    let config = Config::parse(&request::config(), &request::args())?;
    if let Some(list) = file::find(ALLOWLIST)? {
        config.check_allowed(&list)?;
    }
    if request::previous().is_none() {
        return Err("Required prevResult missing".into());
    }
    let name = request::interface_name();
    for (key, value) in config.sysctls(&name)? {
        sysctls::set(Netns::Container, &key, &value);
    }
    if config.changes_link() {
        let link = Link::existing(Netns::Container, &name)
            .ok_or_else(|| format!("failed to get {name:?}: Link not found"))?;
        change(&config, &link);
    }
    results::pass_previous();
    Ok(())
}

fn change(config: &Config, link: &Link) {
    link.save(config.data_dir.as_deref());
    if let Some(mac) = config.mac {
        link.set_mac(mac);
    }
    if config.promiscuous {
        link.set_promiscuous(true);
    }
    if let Some(mtu) = config.mtu {
        link.set_mtu(mtu);
    }
    if let Some(on) = config.all_multicast {
        link.set_all_multicast(on);
    }
    if let Some(packets) = config.queue_length {
        link.set_queue_length(packets);
    }
}
