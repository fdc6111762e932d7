//! loopback: brings the container's `lo` up.

use wasm_cni_sdk::links::Link;
use wasm_cni_sdk::{Error, IpNetwork, Netns, observe, request, results};

wasm_cni_sdk::plugin!(kind: Chained, type: "loopback", versions: wasm_cni_sdk::ALL_VERSIONS, add: add);

/// The plugin ignores `CNI_IFNAME`.
const NAME: &str = "lo";

fn add() -> Result<(), Error> {
    let lo = Link::existing(Netns::Container, NAME).ok_or("failed to find \"lo\": Link not found")?;
    let found = observe::find_link(Netns::Container, NAME);
    let addresses: Vec<IpNetwork> =
        found.map(|link| link.addresses().into_iter().map(Into::into).collect()).unwrap_or_default();
    if let Some(other) = addresses.iter().find(|address| !address.ip().is_loopback()) {
        return Err(format!(
            "loopback interface found with non-loopback address {:?}",
            other.ip().to_string()
        )
        .into());
    }
    lo.up();
    if request::previous().is_some() {
        results::pass_previous();
    } else {
        results::add_link(&lo);
        results::add_addresses_of(&lo);
    }
    Ok(())
}
