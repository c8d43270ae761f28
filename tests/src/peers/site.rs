//! All servers of one host, as the tests and the demo use them.

use anyhow::{Context, Result};

use super::{ip, ipsec, l2tp, pptp, traffic};
use crate::lab::{Host, Lab};

/// Running servers of every protocol; they stop when dropped.
#[derive(Debug)]
pub struct Site {
    /// PPTP.
    pub pptp: pptp::Server,
    /// IKE and ESP.
    pub ipsec: ipsec::Server,
    /// L2TP.
    pub l2tp: l2tp::Server,
    /// GRE version 0, IP in IP, L2TPv3.
    pub ip: ip::Server,
    /// TCP and UDP echo.
    pub traffic: traffic::Server,
}

impl Site {
    /// Starts every server on S and on T.
    pub fn start_both(lab: &Lab, source_port: l2tp::SourcePort) -> Result<[Site; 2]> {
        Ok([Site::start(&lab.s, source_port)?, Site::start(&lab.t, source_port)?])
    }

    /// Starts every server on a host.
    pub fn start(host: &Host, source_port: l2tp::SourcePort) -> Result<Site> {
        let what = || format!("could not start the servers of {}", host.name);
        Ok(Site {
            pptp: pptp::Server::start(host).with_context(what)?,
            ipsec: ipsec::Server::start(host).with_context(what)?,
            l2tp: l2tp::Server::start(host, source_port).with_context(what)?,
            ip: ip::Server::start(host).with_context(what)?,
            traffic: traffic::Server::start(host).with_context(what)?,
        })
    }

    /// Fails if any server saw something that must not happen.
    pub fn assert_no_faults(&self) -> Result<()> {
        for service in [
            &self.pptp.service,
            &self.ipsec.service,
            &self.l2tp.service,
            &self.ip.service,
            &self.traffic.service,
        ] {
            service.assert_no_faults()?;
        }
        Ok(())
    }
}
