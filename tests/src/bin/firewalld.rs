//! A replacement for firewalld that implements only the sources of zones. It owns the name on the system bus and
//! records its calls.
//!
//! Argument: a file; each source is a line `ZONE SOURCE`. The zone `stubborn` refuses every call.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::PathBuf;
use zbus::{blocking::connection, fdo, interface};

struct Zones {
    sources: BTreeMap<String, String>,
    file: PathBuf,
}

#[interface(name = "org.fedoraproject.FirewallD1.zone")]
impl Zones {
    #[zbus(name = "addSource")]
    fn add_source(&mut self, zone: String, source: String) -> fdo::Result<String> {
        if zone == "stubborn" {
            return Err(fdo::Error::Failed("INVALID_ZONE: stubborn".to_owned()));
        }
        if self.sources.contains_key(&source) {
            return Err(fdo::Error::Failed(format!("ZONE_ALREADY_SET: '{source}' already bound to a zone")));
        }
        self.sources.insert(source, zone.clone());
        self.write()?;
        Ok(zone)
    }

    #[zbus(name = "removeSource")]
    fn remove_source(&mut self, zone: String, source: String) -> fdo::Result<String> {
        if self.sources.remove(&source).is_none() {
            return Err(fdo::Error::Failed(format!("UNKNOWN_SOURCE: '{source}' is not in any zone")));
        }
        self.write()?;
        Ok(zone)
    }

    #[zbus(name = "querySource")]
    fn query_source(&self, zone: String, source: String) -> bool {
        self.sources.get(&source) == Some(&zone)
    }
}

impl Zones {
    fn write(&self) -> fdo::Result<()> {
        let lines: String = self.sources.iter().map(|(source, zone)| format!("{zone} {source}\n")).collect();
        std::fs::write(&self.file, lines).map_err(|error| fdo::Error::IOError(error.to_string()))
    }
}

fn main() -> Result<()> {
    let file = std::env::args_os().nth(1).map(PathBuf::from).context("which file?")?;
    let zones = Zones { sources: BTreeMap::new(), file };
    zones.write()?;
    let _connection = connection::Builder::system()?
        .serve_at("/org/fedoraproject/FirewallD1", zones)?
        .name("org.fedoraproject.FirewallD1")?
        .build()?;
    loop {
        std::thread::park();
    }
}
