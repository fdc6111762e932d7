//! `sysctls`: kernel parameters of links, and forwarding.

use super::wit::links::Link as Handle;
use super::wit::sysctls::Host;
use super::wit::types::{IpFamily, Netns as WitNetns};
use crate::action::SetSysctl;
use crate::cni::CniError;
use crate::sandbox::guest::Guest;
use crate::sandbox::limits;
use crate::sandbox::lower::{self, violation};
use crate::value::{Netns, SysctlKey};
use wasmtime::component::Resource;

impl Host for Guest {
    fn set_link(
        &mut self,
        link: Resource<Handle>,
        family: IpFamily,
        key: String,
        value: String,
    ) -> wasmtime::Result<()> {
        self.set_of_link(&link, family, &key, value, false)
    }

    fn try_set_link(
        &mut self,
        link: Resource<Handle>,
        family: IpFamily,
        key: String,
        value: String,
    ) -> wasmtime::Result<()> {
        self.set_of_link(&link, family, &key, value, true)
    }

    fn set(&mut self, netns: WitNetns, key: String, value: String) -> wasmtime::Result<()> {
        check_value(&key, &value)?;
        self.plan(SetSysctl { netns: lower::netns(netns), key: parse(&key)?, value, optional: false })
    }

    fn enable_forwarding(&mut self, family: IpFamily) -> wasmtime::Result<()> {
        let key = match family {
            IpFamily::Ipv4 => "net/ipv4/ip_forward",
            IpFamily::Ipv6 => "net/ipv6/conf/all/forwarding",
        };
        let key = parse(key)?;
        let set = SetSysctl { netns: Netns::Host, key, value: "1".to_owned(), optional: false };
        self.plan(set)
    }
}

impl Guest {
    fn set_of_link(
        &self,
        link: &Resource<Handle>,
        family: IpFamily,
        key: &str,
        value: String,
        optional: bool,
    ) -> wasmtime::Result<()> {
        let link = &self.links.get(link)?.link;
        if key.is_empty() || !key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
            return Err(
                violation(format!("sysctl key {key:?} has a character other than a-z, 0-9 and _")).into()
            );
        }
        check_value(key, &value)?;
        let family = match family {
            IpFamily::Ipv4 => "ipv4",
            IpFamily::Ipv6 => "ipv6",
        };
        let key = parse(&format!("net/{family}/conf/{}/{key}", link.name))?;
        self.plan(SetSysctl { netns: link.netns, key, value, optional })
    }
}

/// Checks that the value is one line of text. Tabs are allowed, because the kernel separates numbers by tabs.
fn check_value(key: &str, value: &str) -> Result<(), CniError> {
    if value.len() > limits::SYSCTL_BYTES || value.chars().any(|c| c.is_control() && c != '\t') {
        return Err(violation(format!("sysctl {key}: the value {value:?} is no line of text")));
    }
    Ok(())
}

fn parse(key: &str) -> Result<SysctlKey, CniError> {
    SysctlKey::parse(key).map_err(|e| violation(e.to_string()))
}
