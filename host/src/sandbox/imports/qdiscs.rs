//! `qdiscs`: bandwidth limits of links.

use super::wit::links::Link as Handle;
use super::wit::qdiscs::Host;
use crate::action::{Ifb, SetTokenBucket};
use crate::cni::{CniError, ErrorKind};
use crate::sandbox::guest::Guest;
use crate::sandbox::link::End;
use crate::sandbox::lower::violation;
use crate::value::{IfName, LinkRef, Netns, derive};
use wasmtime::component::Resource;

impl Host for Guest {
    fn limit(&mut self, link: Resource<Handle>, rate: u64, burst: u64) -> wasmtime::Result<()> {
        let link = self.host_link(&link)?;
        self.plan(set_token_bucket(link, rate, burst, None)?)
    }

    fn limit_incoming(
        &mut self,
        link: Resource<Handle>,
        rate: u64,
        burst: u64,
    ) -> wasmtime::Result<Resource<Handle>> {
        let link = self.host_link(&link)?;
        let attachment = self.recorder().attachment().clone();
        let name =
            derive::ifb(&attachment).map_err(|error| CniError::new(ErrorKind::Bug, error.to_string()))?;
        let through = Ifb { name: name.clone(), alias: derive::alias(&attachment) };
        let set = set_token_bucket(link, rate, burst, Some(through))?;
        self.new_link(set, End::Ifb, LinkRef { netns: Netns::Host, name })
    }
}

impl Guest {
    fn host_link(&self, link: &Resource<Handle>) -> wasmtime::Result<IfName> {
        let LinkRef { netns, name } = self.link(link)?;
        match netns {
            Netns::Host => Ok(name),
            Netns::Container => Err(violation(format!("{name} is not a link of the host")).into()),
        }
    }
}

/// The action for a rate and a burst in bits. The kernel counts bytes.
fn set_token_bucket(
    link: IfName,
    rate: u64,
    burst: u64,
    through: Option<Ifb>,
) -> Result<SetTokenBucket, CniError> {
    let refused = |what: String| violation(format!("what passes {link} cannot be limited: {what}"));
    let burst = u32::try_from(burst / 8)
        .ok()
        .filter(|burst| *burst > 0 && *burst < u32::MAX)
        .ok_or_else(|| refused(format!("a burst of {burst} bits is no byte, or 4 GiB")))?;
    if rate < 8 {
        return Err(refused(format!("{rate} bit/s is less than a byte a second")));
    }
    Ok(SetTokenBucket { rate: rate / 8, burst, through, link })
}
