//! A machine for the tests of rooms: links, queues and lease stores in memory; the kernel parameters are those of the thread's namespace.

use super::context::{Notes, Permit, ReadContext, WriteContext};
use super::profile::{Own, OwnUndo, Retract, Retraction};
use super::record::{Effect, Undone};
use crate::machine::MachineError;
use crate::machine::lease::{MemoryDirectories, Stores};
use crate::machine::port::{
    Address, Link, Look, Machine, ProgramCall, Qdiscs, Request, TokenBucket, ZoneChange, ZoneQuery, on_host,
};
use crate::machine::rules::{Edit, Listing, RuleTables, TableError, TableId};
use crate::machine::vlans::Vlans;
use crate::value::{IfName, LinkRef, Netns, Route, SysctlKey};
use nix::errno::Errno;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output};
use std::sync::Arc;
use std::time::Duration;

/// See the module.
#[derive(Debug)]
pub struct TestMachine {
    /// Whether there is a container's namespace.
    pub has_container: bool,
    /// Whether only looking is allowed.
    pub is_dry: bool,
    /// Why nothing can be looked at, if so.
    pub refusal: Option<Errno>,
    /// The lease stores.
    pub stores: Stores,
    /// Their files.
    pub directories: MemoryDirectories,
    /// Files by path.
    pub files: BTreeMap<PathBuf, Vec<u8>>,
    /// Programs on the search path.
    pub programs: Vec<&'static str>,
    /// Whether firewalld runs.
    pub has_firewalld: bool,
    /// The link through which packets to an address leave.
    pub routes: BTreeMap<IpAddr, u32>,
    /// What was sent.
    pub sent: Vec<Request>,
    /// What was executed.
    pub calls: Vec<ProgramCall>,
    /// The exit status of what is executed.
    pub exit: i32,
    /// What that prints.
    pub printed: &'static str,
    /// The index that was given last: the kernel gives none twice.
    pub last_index: u32,
    /// Links, each with its place.
    pub links: Vec<(Netns, Link)>,
    /// Addresses by link.
    pub addresses: BTreeMap<u32, Vec<Address>>,
    /// Queueing disciplines by link.
    pub qdiscs: BTreeMap<u32, Qdiscs>,
    /// The targets of redirects by link.
    pub redirects: BTreeMap<u32, Vec<u32>>,
}

struct Granted;

impl Permit for Granted {}

impl TestMachine {
    /// With an empty container, and without links.
    pub fn new() -> Self {
        let directories = MemoryDirectories::default();
        TestMachine {
            has_container: true,
            is_dry: false,
            refusal: None,
            stores: Stores::new(Box::new(directories.clone()), false),
            directories,
            files: BTreeMap::new(),
            programs: Vec::new(),
            has_firewalld: false,
            routes: BTreeMap::new(),
            sent: Vec::new(),
            calls: Vec::new(),
            exit: 0,
            printed: "",
            last_index: 1,
            links: Vec::new(),
            addresses: BTreeMap::new(),
            qdiscs: BTreeMap::new(),
            redirects: BTreeMap::new(),
        }
    }

    /// Nothing may be changed.
    pub fn dry() -> Self {
        let machine = TestMachine { is_dry: true, ..TestMachine::new() };
        let stores = Stores::new(Box::new(machine.directories.clone()), true);
        TestMachine { stores, ..machine }
    }

    /// Adds a link of the host, with the next index.
    pub fn add_link(&mut self, name: &str, kind: &str) -> &mut Link {
        self.add_link_in(Netns::Host, name, kind)
    }

    /// Adds a link, with the next index.
    pub fn add_link_in(&mut self, netns: Netns, name: &str, kind: &str) -> &mut Link {
        self.last_index += 1;
        let index = self.last_index;
        let link = Link { index, name: name.to_owned(), kind: kind.to_owned(), mtu: 1500, ..Link::default() };
        self.links.push((netns, link));
        &mut self.links.last_mut().unwrap().1
    }

    /// A link of the host.
    pub fn link(&mut self, name: &str) -> Option<Link> {
        Look::link(self, &on_host(&IfName::parse(name).unwrap())).unwrap()
    }

    /// Deletes a link of the host.
    pub fn delete_link(&mut self, name: &str) {
        let index = self.link(name).unwrap().index;
        self.change(&Request::Delete(index)).unwrap();
    }

    /// Gives a link an address.
    pub fn add_address(&mut self, link: u32, address: &str) {
        let address = Address {
            address: address.parse().unwrap(),
            peer: None,
            broadcast: None,
            label: None,
            scope: 0,
            flags: 0,
            priority: None,
            protocol: None,
            lifetimes: None,
        };
        self.addresses.entry(link).or_default().push(address);
    }

    /// Looks.
    pub fn read<T>(&mut self, look: impl FnOnce(&mut ReadContext<'_>) -> T) -> T {
        look(&mut ReadContext::new(self, &mut Notes::default()))
    }

    /// Does an action.
    pub fn perform(&mut self, action: &dyn Own) -> Result<Effect, MachineError> {
        action.perform(&mut WriteContext::new(&Granted, self, &mut Notes::default()))
    }

    /// Does an undo.
    pub fn undo(&mut self, undo: &dyn OwnUndo) -> Result<Undone, MachineError> {
        undo.perform(&mut WriteContext::new(&Granted, self, &mut Notes::default()))
    }

    /// Looks for an undo by requests.
    pub fn retract(&mut self, undo: &dyn Retract) -> Result<Retraction, MachineError> {
        undo.prepare(&mut WriteContext::new(&Granted, self, &mut Notes::default()))
    }

    fn looked(&self) -> io::Result<()> {
        self.refusal.map_or(Ok(()), |errno| Err(errno.into()))
    }

    /// A link by its index.
    pub fn at(&mut self, index: u32) -> io::Result<&mut Link> {
        let found = self.links.iter_mut().map(|(_, link)| link).find(|link| link.index == index);
        found.ok_or_else(|| Errno::ENODEV.into())
    }

    fn change(&mut self, request: &Request) -> io::Result<()> {
        match request {
            Request::CreateIfb { name, mtu } => {
                self.add_link(name.as_str(), "ifb").mtu = *mtu;
            }
            Request::Mark { name, alias, .. } => {
                let mut links = self.links.iter_mut().map(|(_, link)| link);
                let found = links.find(|link| link.name == name.as_str()).ok_or(Errno::ENODEV)?;
                found.alias = Some(alias.clone());
            }
            Request::Delete(index) => {
                self.at(*index)?;
                self.links.retain(|(_, link)| link.index != *index);
                let all = self.redirects.values_mut().flatten();
                all.filter(|to| **to == *index).for_each(|to| *to = 0);
            }
            Request::SetQueueLength(index, packets) => self.at(*index)?.queue_length = *packets,
            Request::SetTokenBucket(index, token_bucket) => {
                self.at(*index)?.queue_length = 1000;
                self.root(*index, Some(*token_bucket));
            }
            Request::DeleteRootQdisc(index) => self.root(*index, None),
            Request::AddIngress(index) => self.qdiscs.entry(*index).or_default().has_ingress = true,
            Request::DeleteIngress(index) => {
                self.qdiscs.entry(*index).or_default().has_ingress = false;
                self.redirects.remove(index);
            }
            Request::Redirect { link, to } => self.redirects.entry(*link).or_default().push(*to),
            _ => return Err(Errno::EOPNOTSUPP.into()),
        }
        Ok(())
    }

    fn root(&mut self, index: u32, token_bucket: Option<TokenBucket>) {
        self.qdiscs.entry(index).or_default().root = token_bucket;
    }
}

impl Look for TestMachine {
    fn has_netns(&self, netns: Netns) -> bool {
        netns == Netns::Host || self.has_container
    }

    fn link(&mut self, link: &LinkRef) -> io::Result<Option<Link>> {
        self.looked()?;
        if !self.has_netns(link.netns) {
            let text = "the container has no network namespace";
            return Err(io::Error::new(io::ErrorKind::NotFound, text));
        }
        let is_it =
            |(netns, found): &&(Netns, Link)| *netns == link.netns && found.name == link.name.as_str();
        Ok(self.links.iter().find(is_it).map(|(_, found)| found.clone()))
    }

    fn index(&mut self, link: &LinkRef) -> io::Result<Option<u32>> {
        Ok(Look::link(self, link)?.map(|found| found.index))
    }

    fn link_at(&mut self, netns: Netns, index: u32) -> io::Result<Option<Link>> {
        self.looked()?;
        let is_it = |(place, found): &&(Netns, Link)| *place == netns && found.index == index;
        Ok(self.links.iter().find(is_it).map(|(_, found)| found.clone()))
    }

    fn ports(&mut self, bridge: u32) -> io::Result<Vec<Link>> {
        let links = self.links.iter().map(|(_, link)| link.clone());
        Ok(links.filter(|link| link.master == Some(bridge)).collect())
    }

    fn addresses(&mut self, _netns: Netns, link: Option<u32>) -> io::Result<Vec<Address>> {
        self.looked()?;
        let of_link = self.addresses.iter().filter(|(index, _)| link.is_none_or(|link| link == **index));
        Ok(of_link.flat_map(|(_, addresses)| addresses.clone()).collect())
    }

    fn has_route(&mut self, _netns: Netns, _link: u32, _route: &Route) -> io::Result<bool> {
        Err(Errno::EOPNOTSUPP.into())
    }

    fn output(&mut self, address: IpAddr) -> io::Result<Option<u32>> {
        self.looked()?;
        Ok(self.routes.get(&address).copied())
    }

    fn vlans(&mut self, _port: u32) -> io::Result<Vlans> {
        Err(Errno::EOPNOTSUPP.into())
    }

    fn qdiscs(&mut self, link: u32) -> io::Result<Qdiscs> {
        Ok(self.qdiscs.get(&link).cloned().unwrap_or_default())
    }

    fn redirects(&mut self, link: u32) -> io::Result<Vec<u32>> {
        if self.qdiscs(link)?.has_ingress {
            Ok(self.redirects.get(&link).cloned().unwrap_or_default())
        } else {
            Err(Errno::EINVAL.into())
        }
    }

    fn sysctl(&mut self, _netns: Netns, key: &SysctlKey) -> io::Result<String> {
        let text = fs::read_to_string(Path::new("/proc/sys").join(key.as_str()))?;
        Ok(text.trim_end_matches('\n').to_owned())
    }

    fn sysctl_names(&mut self, _netns: Netns, directory: &str) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(Path::new("/proc/sys").join(directory))?;
        entries.map(|entry| Ok(entry?.file_name().into_string().unwrap())).collect()
    }

    fn file(&mut self, path: &Path, below: Option<&Path>, _limit: usize) -> io::Result<Vec<u8>> {
        self.looked()?;
        let is_below = below.is_none_or(|below| path.starts_with(below));
        self.files.get(path).filter(|_| is_below).cloned().ok_or_else(|| Errno::ENOENT.into())
    }

    fn has_file(&mut self, path: &Path) -> bool {
        self.files.contains_key(path)
    }

    fn has_program(&mut self, program: &str) -> bool {
        self.programs.contains(&program)
    }

    fn zone(&mut self, query: ZoneQuery<'_>) -> io::Result<bool> {
        self.looked()?;
        Ok(self.has_firewalld && query == ZoneQuery::IsRunning)
    }

    fn tables(&self) -> Arc<dyn RuleTables + Send + Sync> {
        Arc::new(NoTables)
    }

    fn stores(&mut self) -> &mut Stores {
        &mut self.stores
    }

    fn is_dry(&self) -> bool {
        self.is_dry
    }
}

impl Machine for TestMachine {
    fn as_look(&mut self) -> &mut dyn Look {
        self
    }

    fn send(&mut self, netns: Netns, requests: Vec<Request>) -> Vec<io::Result<()>> {
        assert_eq!(netns, Netns::Host);
        let answers = requests.iter().map(|request| self.change(request)).collect();
        self.sent.extend(requests);
        answers
    }

    fn set_sysctl(&mut self, _netns: Netns, key: &SysctlKey, value: &str) -> io::Result<()> {
        fs::write(Path::new("/proc/sys").join(key.as_str()), value)
    }

    fn write_file(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.files.insert(path.to_owned(), bytes.to_owned());
        Ok(())
    }

    fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        self.files.remove(path).map(drop).ok_or_else(|| Errno::ENOENT.into())
    }

    fn forget_udp(&mut self, _is_ipv4: bool, _ports: &[u16]) -> io::Result<()> {
        Err(Errno::EOPNOTSUPP.into())
    }

    fn change_zone(&mut self, _change: ZoneChange<'_>) -> io::Result<bool> {
        Err(Errno::EOPNOTSUPP.into())
    }

    fn run(&mut self, call: &ProgramCall) -> io::Result<Output> {
        self.calls.push(call.clone());
        let status = ExitStatus::from_raw(self.exit << 8);
        Ok(Output { status, stdout: self.printed.into(), stderr: Vec::new() })
    }

    fn pause(&mut self, _time: Duration) -> bool {
        true
    }
}

/// Nobody may list tables.
struct NoTables;

impl RuleTables for NoTables {
    fn list(&self, _table: TableId) -> Result<Listing, TableError> {
        Err(TableError::Failed("permission denied".to_owned()))
    }

    fn commit(&self, _table: TableId, _edits: &[Edit]) -> Result<(), TableError> {
        Err(TableError::Failed("permission denied".to_owned()))
    }
}
