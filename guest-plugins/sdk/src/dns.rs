//! DNS settings of a result.

use crate::results;
use serde::Deserialize;

/// `dns` of a configuration or a result. An empty list is not the same as an absent list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Dns {
    /// `nameservers`, as text.
    pub nameservers: Option<Vec<String>>,
    /// `domain`. Empty: none.
    pub domain: String,
    /// `search`.
    pub search: Option<Vec<String>>,
    /// `options`.
    pub options: Option<Vec<String>>,
}

impl Dns {
    /// Whether any setting is given, even an empty list. Then the `dns` of a configuration replaces that of its IPAM
    /// plugin.
    pub fn is_given(&self) -> bool {
        let lists = [&self.nameservers, &self.search, &self.options];
        !self.domain.is_empty() || lists.iter().any(|list| list.is_some())
    }

    /// Reports this as the `dns` of the result.
    pub fn report(&self) {
        if let Some(nameservers) = &self.nameservers {
            results::set_dns_nameservers(nameservers);
        }
        if !self.domain.is_empty() {
            results::set_dns_domain(&self.domain);
        }
        if let Some(search) = &self.search {
            results::set_dns_search(search);
        }
        if let Some(options) = &self.options {
            results::set_dns_options(options);
        }
    }
}
