//! static: reports the addresses of the configuration, or those that the runtime requests. It leases nothing.

mod config;

use config::Config;
use wasm_cni_sdk::{Error, Ip, Route, request};

wasm_cni_sdk::plugin!(kind: Ipam, type: "static", versions: wasm_cni_sdk::ALL_VERSIONS, add: add);

fn add() -> Result<(), Error> {
    let config = Config::parse(&request::config(), &request::args())?;
    config.ips.iter().for_each(Ip::report);
    config.routes.iter().for_each(Route::report);
    config.dns.report();
    Ok(())
}
