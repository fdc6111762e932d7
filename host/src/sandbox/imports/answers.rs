//! `answers`: results of other plugins.

use super::wit::answers::{Answer as Handle, Host, HostAnswer};
use super::wit::types::{IpAddress, Prefix};
use crate::sandbox::guest::Guest;
use crate::sandbox::lower;
use crate::value::{Interface, Ip, Route};
use wasmtime::component::Resource;

impl Host for Guest {}

impl HostAnswer for Guest {
    fn interface_count(&mut self, answer: Resource<Handle>) -> wasmtime::Result<u32> {
        Ok(u32::try_from(self.answers.get(&answer)?.passed.len())?)
    }

    fn interface_name(&mut self, answer: Resource<Handle>, index: u32) -> wasmtime::Result<String> {
        Ok(self.answered_interface(&answer, index)?.name.clone())
    }

    fn interface_mac(&mut self, answer: Resource<Handle>, index: u32) -> wasmtime::Result<String> {
        Ok(self.answered_interface(&answer, index)?.mac.clone())
    }

    fn interface_sandbox(&mut self, answer: Resource<Handle>, index: u32) -> wasmtime::Result<String> {
        Ok(self.answered_interface(&answer, index)?.sandbox.clone())
    }

    fn ip_count(&mut self, answer: Resource<Handle>) -> wasmtime::Result<u32> {
        Ok(u32::try_from(self.answers.get(&answer)?.ips.len())?)
    }

    fn ip_address(&mut self, answer: Resource<Handle>, index: u32) -> wasmtime::Result<Prefix> {
        Ok(lower::raise_prefix(&self.answered_ip(&answer, index)?.address))
    }

    fn ip_interface(&mut self, answer: Resource<Handle>, index: u32) -> wasmtime::Result<Option<u32>> {
        Ok(self.answered_ip(&answer, index)?.interface.and_then(|interface| u32::try_from(interface).ok()))
    }

    fn ip_gateway(&mut self, answer: Resource<Handle>, index: u32) -> wasmtime::Result<Option<IpAddress>> {
        Ok(self.answered_ip(&answer, index)?.gateway.map(lower::raise_address))
    }

    fn route_count(&mut self, answer: Resource<Handle>) -> wasmtime::Result<u32> {
        Ok(u32::try_from(self.answers.get(&answer)?.routes.len())?)
    }

    fn route_destination(&mut self, answer: Resource<Handle>, index: u32) -> wasmtime::Result<Prefix> {
        Ok(lower::raise_prefix(&self.answered_route(&answer, index)?.dst))
    }

    fn route_gateway(&mut self, answer: Resource<Handle>, index: u32) -> wasmtime::Result<Option<IpAddress>> {
        Ok(self.answered_route(&answer, index)?.gw.map(lower::raise_address))
    }

    fn route_mtu(&mut self, answer: Resource<Handle>, index: u32) -> wasmtime::Result<Option<u32>> {
        Ok(self.answered_route(&answer, index)?.mtu)
    }

    fn route_advmss(&mut self, answer: Resource<Handle>, index: u32) -> wasmtime::Result<Option<u32>> {
        Ok(self.answered_route(&answer, index)?.advmss)
    }

    fn route_priority(&mut self, answer: Resource<Handle>, index: u32) -> wasmtime::Result<Option<u32>> {
        Ok(self.answered_route(&answer, index)?.priority)
    }

    fn route_table(&mut self, answer: Resource<Handle>, index: u32) -> wasmtime::Result<Option<u32>> {
        Ok(self.answered_route(&answer, index)?.table)
    }

    fn route_scope(&mut self, answer: Resource<Handle>, index: u32) -> wasmtime::Result<Option<u8>> {
        Ok(self.answered_route(&answer, index)?.scope)
    }

    fn dns_nameservers(&mut self, answer: Resource<Handle>) -> wasmtime::Result<Vec<String>> {
        Ok(self.answers.get(&answer)?.dns.nameservers.clone())
    }

    fn dns_domain(&mut self, answer: Resource<Handle>) -> wasmtime::Result<Option<String>> {
        Ok(self.answers.get(&answer)?.dns.domain.clone())
    }

    fn dns_search(&mut self, answer: Resource<Handle>) -> wasmtime::Result<Vec<String>> {
        Ok(self.answers.get(&answer)?.dns.search.clone())
    }

    fn dns_options(&mut self, answer: Resource<Handle>) -> wasmtime::Result<Vec<String>> {
        Ok(self.answers.get(&answer)?.dns.options.clone())
    }

    fn drop(&mut self, _: Resource<Handle>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl Guest {
    fn answered_interface(&self, answer: &Resource<Handle>, index: u32) -> wasmtime::Result<&Interface> {
        nth(&self.answers.get(answer)?.passed, index, "interface")
    }

    fn answered_ip(&self, answer: &Resource<Handle>, index: u32) -> wasmtime::Result<&Ip> {
        nth(&self.answers.get(answer)?.ips, index, "ip")
    }

    fn answered_route(&self, answer: &Resource<Handle>, index: u32) -> wasmtime::Result<&Route> {
        nth(&self.answers.get(answer)?.routes, index, "route")
    }
}

fn nth<'a, T>(all: &'a [T], index: u32, what: &str) -> wasmtime::Result<&'a T> {
    let found = all.get(usize::try_from(index)?);
    found.ok_or_else(|| wasmtime::format_err!("{what} {index} of an answer that has {}", all.len()))
}
