//! The lists of `allow` and `only` in a rule, one for each kind of resource.

use super::capability::Capability;
use super::pattern::Patterns;
use crate::value::SysctlKey;
use ipnetwork::IpNetwork;
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::path::{Component, Path, PathBuf};
use toml::Spanned;

/// The keys of `allow` and of `only`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Scope {
    /// Links of the host, by name.
    pub links: Option<Spanned<Patterns>>,
    /// Addresses: on links, leased, masqueraded, or destinations of routes of the host.
    pub addresses: Option<Spanned<Networks>>,
    /// Destinations of routes of the host.
    pub host_routes: Option<Spanned<Networks>>,
    /// Parameters of the host's namespace.
    pub sysctls: Option<Spanned<Sysctls>>,
    /// Parameters of the container's namespace.
    pub container_sysctls: Option<Spanned<Sysctls>>,
    /// VLAN IDs.
    pub vlans: Option<Spanned<Vlans>>,
    /// Directories whose files may be read.
    pub files: Option<Spanned<Directories>>,
    /// Directories of lease stores.
    pub leases: Option<Spanned<Directories>>,
    /// Types of plugins that may be delegated to.
    pub delegates: Option<Spanned<Patterns>>,
    /// Capabilities.
    pub capabilities: Option<Spanned<Capabilities>>,
}

/// A key of a [`Scope`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// See [`Scope::links`].
    Links,
    /// See [`Scope::addresses`].
    Addresses,
    /// See [`Scope::host_routes`].
    HostRoutes,
    /// See [`Scope::sysctls`].
    Sysctls,
    /// See [`Scope::container_sysctls`].
    ContainerSysctls,
    /// See [`Scope::vlans`].
    Vlans,
    /// See [`Scope::files`].
    Files,
    /// See [`Scope::leases`].
    Leases,
    /// See [`Scope::delegates`].
    Delegates,
    /// See [`Scope::capabilities`].
    Capabilities,
}

impl Key {
    /// The key as written in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Key::Links => "links",
            Key::Addresses => "addresses",
            Key::HostRoutes => "host-routes",
            Key::Sysctls => "sysctls",
            Key::ContainerSysctls => "container-sysctls",
            Key::Vlans => "vlans",
            Key::Files => "files",
            Key::Leases => "leases",
            Key::Delegates => "delegates",
            Key::Capabilities => "capabilities",
        }
    }

    /// The capability that the key refines. `None`: it is about whole capabilities.
    pub fn capability(self) -> Option<Capability> {
        Some(match self {
            Key::Links | Key::Vlans => Capability::Links,
            Key::Addresses => Capability::Addresses,
            Key::HostRoutes => Capability::Routes,
            Key::Sysctls | Key::ContainerSysctls => Capability::Sysctls,
            Key::Files => Capability::Observe,
            Key::Leases => Capability::Leases,
            Key::Delegates => Capability::Delegate,
            Key::Capabilities => return None,
        })
    }
}

/// A resource that a list may cover.
#[derive(Debug, Clone)]
pub enum Resource<'a> {
    /// A link of the host.
    Link(&'a str),
    /// An address. For an address of the host, the network of its prefix.
    Address(IpNetwork),
    /// The destination of a route of the host.
    HostRoute(IpNetwork),
    /// A parameter of the host's namespace.
    Sysctl(&'a SysctlKey),
    /// A parameter of the container's namespace.
    ContainerSysctl(&'a SysctlKey),
    /// A VLAN.
    Vlan(u16),
    /// A file.
    File(&'a Path),
    /// A directory of lease stores.
    Leases(&'a Path),
    /// A plugin to delegate to.
    Delegate(&'a str),
    /// A capability.
    Capability(Capability),
}

impl Resource<'_> {
    /// The key of the list that must cover the resource.
    pub fn key(&self) -> Key {
        match self {
            Resource::Link(_) => Key::Links,
            Resource::Address(_) => Key::Addresses,
            Resource::HostRoute(_) => Key::HostRoutes,
            Resource::Sysctl(_) => Key::Sysctls,
            Resource::ContainerSysctl(_) => Key::ContainerSysctls,
            Resource::Vlan(_) => Key::Vlans,
            Resource::File(_) => Key::Files,
            Resource::Leases(_) => Key::Leases,
            Resource::Delegate(_) => Key::Delegates,
            Resource::Capability(_) => Key::Capabilities,
        }
    }

    /// The list entry that covers exactly this resource. `None` if there is no such entry.
    pub fn literal(&self) -> Option<String> {
        let name = |name: &str| super::pattern::is_literal(name).then(|| name.to_owned());
        match self {
            Resource::Link(link) => name(link),
            Resource::Address(network) | Resource::HostRoute(network) => {
                Some(format!("{}/{}", network.network(), network.prefix()))
            }
            Resource::Sysctl(key) | Resource::ContainerSysctl(key) => name(key.as_str()),
            Resource::Vlan(vid) => Some(vid.to_string()),
            Resource::File(path) => Some(path.parent()?.display().to_string()),
            Resource::Leases(path) => Some(path.display().to_string()),
            Resource::Delegate(plugin) => name(plugin),
            Resource::Capability(capability) => Some(capability.to_string()),
        }
    }
}

impl Scope {
    /// The list for a resource: its offset, its text, and whether it covers the resource. `None` if there is no such
    /// list.
    pub fn covers(&self, resource: &Resource<'_>) -> Option<(usize, String, bool)> {
        fn found<T: fmt::Display>(
            list: &Option<Spanned<T>>,
            covers: impl Fn(&T) -> bool,
        ) -> Option<(usize, String, bool)> {
            let list = list.as_ref()?;
            Some((list.span().start, list.get_ref().to_string(), covers(list.get_ref())))
        }
        match resource {
            Resource::Link(name) => found(&self.links, |list| list.matches(name)),
            Resource::Address(network) => found(&self.addresses, |list| list.contain(*network)),
            Resource::HostRoute(network) => found(&self.host_routes, |list| list.contain(*network)),
            Resource::Sysctl(key) => found(&self.sysctls, |list| list.match_key(key)),
            Resource::ContainerSysctl(key) => found(&self.container_sysctls, |list| list.match_key(key)),
            Resource::Vlan(vid) => found(&self.vlans, |list| list.contain(*vid)),
            Resource::File(path) => found(&self.files, |list| list.above(path).is_some()),
            Resource::Leases(path) => found(&self.leases, |list| list.have(path)),
            Resource::Delegate(plugin) => found(&self.delegates, |list| list.matches(plugin)),
            Resource::Capability(capability) => found(&self.capabilities, |list| list.0.contains(capability)),
        }
    }

    /// All lists: key, offset and text.
    pub fn lists(&self) -> Vec<(Key, usize, String)> {
        fn list<T: fmt::Display>(key: Key, list: &Option<Spanned<T>>) -> Option<(Key, usize, String)> {
            list.as_ref().map(|list| (key, list.span().start, list.get_ref().to_string()))
        }
        let lists = [
            list(Key::Links, &self.links),
            list(Key::Addresses, &self.addresses),
            list(Key::HostRoutes, &self.host_routes),
            list(Key::Sysctls, &self.sysctls),
            list(Key::ContainerSysctls, &self.container_sysctls),
            list(Key::Vlans, &self.vlans),
            list(Key::Files, &self.files),
            list(Key::Leases, &self.leases),
            list(Key::Delegates, &self.delegates),
            list(Key::Capabilities, &self.capabilities),
        ];
        lists.into_iter().flatten().collect()
    }
}

fn joined<T>(f: &mut fmt::Formatter<'_>, list: &[T], text: impl Fn(&T) -> String) -> fmt::Result {
    if list.is_empty() {
        return f.write_str("nothing");
    }
    f.write_str(&list.iter().map(text).collect::<Vec<_>>().join(" "))
}

/// Networks: `10.1.0.0/16`. An address without a length is a network of one address.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Networks(Vec<NetworkText>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct NetworkText(IpNetwork);

impl TryFrom<String> for NetworkText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.parse::<IpNetwork>() {
            Ok(network) if network.ip() == network.network() => Ok(NetworkText(network)),
            Ok(network) => Err(format!("{text} is an address in {}/{}", network.network(), network.prefix())),
            Err(error) => Err(format!("{text:?} is no network such as 10.1.0.0/16: {error}")),
        }
    }
}

impl Networks {
    fn contain(&self, network: IpNetwork) -> bool {
        self.0.iter().any(|NetworkText(own)| own.contains(network.ip()) && own.prefix() <= network.prefix())
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        joined(f, &self.0, |NetworkText(network)| network.to_string())
    }
}

/// Capabilities by their names: `nat`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Capabilities(Vec<Capability>);

impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        joined(f, &self.0, Capability::to_string)
    }
}

/// Patterns of parameters: `net.ipv4.conf.*.rp_filter`, or with slashes. sysctl(8) accepts both.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Sysctls(Patterns);

impl Sysctls {
    fn match_key(&self, key: &SysctlKey) -> bool {
        // In a pattern with slashes, a dot is a dot of a link's name. In a pattern without, every dot may be a slash
        // of the key.
        self.0.matches(key.as_str()) || self.0.matches(&key.as_str().replace('/', "."))
    }
}

impl fmt::Display for Sysctls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// VLANs: `100`, `"200-299"`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Vlans(Vec<VlanRange>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct VlanRange {
    first: u16,
    last: u16,
}

impl<'de> Deserialize<'de> for VlanRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrRange;
        impl serde::de::Visitor<'_> for NumberOrRange {
            type Value = VlanRange;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the ID of a VLAN, 1 to 4094, or a range such as \"100-199\"")
            }

            fn visit_i64<E: serde::de::Error>(self, id: i64) -> Result<VlanRange, E> {
                let vid = u16::try_from(id).ok().filter(|vid| (1..=4094).contains(vid));
                let vid = vid.ok_or_else(|| E::custom(format!("no VLAN can have the ID {id}")))?;
                Ok(VlanRange { first: vid, last: vid })
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<VlanRange, E> {
                let (first, last) = text.split_once('-').unwrap_or((text, text));
                let vid = |text: &str| text.parse().ok().filter(|vid| (1..=4094).contains(vid));
                match (vid(first), vid(last)) {
                    (Some(first), Some(last)) if first <= last => Ok(VlanRange { first, last }),
                    _ => Err(E::custom(format!("{text:?} is no range of VLANs such as \"100-199\""))),
                }
            }
        }
        deserializer.deserialize_any(NumberOrRange)
    }
}

impl Vlans {
    fn contain(&self, vid: u16) -> bool {
        self.0.iter().any(|range| (range.first..=range.last).contains(&vid))
    }
}

impl fmt::Display for Vlans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        joined(f, &self.0, |range| match range.first == range.last {
            true => range.first.to_string(),
            false => format!("{}-{}", range.first, range.last),
        })
    }
}

/// Absolute paths of directories, without `.` and `..`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Directories(Vec<Directory>);

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "PathBuf")]
struct Directory(PathBuf);

impl TryFrom<PathBuf> for Directory {
    type Error = String;

    fn try_from(path: PathBuf) -> Result<Self, String> {
        if is_plain(&path) { Ok(Directory(path)) } else { Err(format!("{path:?} is no absolute path")) }
    }
}

impl Directories {
    /// The directory that contains a file, at any depth. It compares the texts of the paths.
    pub fn above(&self, file: &Path) -> Option<&Path> {
        let above = self.0.iter().find(|Directory(directory)| file.starts_with(directory));
        above.filter(|_| is_plain(file)).map(|Directory(directory)| directory.as_path())
    }

    fn have(&self, path: &Path) -> bool {
        self.0.iter().any(|Directory(directory)| directory == path)
    }
}

/// Whether a path is absolute and has no `.` or `..`. Symbolic links are not resolved.
fn is_plain(path: &Path) -> bool {
    path.is_absolute()
        && path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
}

impl fmt::Display for Directories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        joined(f, &self.0, |Directory(directory)| directory.display().to_string())
    }
}
