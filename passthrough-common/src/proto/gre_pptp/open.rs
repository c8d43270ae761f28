//! GRE without a session: version 0 by its key, enhanced GRE only under a *plain* switch. From outside nothing
//! starts, but by a port forward (conformance P20, Q5).

use crate::abi::{Class, Reason, Space, Switch};
use crate::proto::Flow;
use crate::proto::by_address::{self, By};
use crate::seam::World;

/// Makes the session of an outbound GRE packet: one inside host for each server and key (conformance Q1-Q3,
/// P26).
///
/// # Errors
///
/// [`Reason::GreNoCall`] for enhanced GRE under a *full* switch: its sessions are made by the control
/// connection (conformance P20). [`Reason::HostConflict`] or [`Reason::GreConflict`] while another inside
/// host uses the server (with the same key); those of [`by_address::pair`].
pub fn open_outbound<W: World>(flow: &Flow, world: &W) -> Result<(), Reason> {
    let (class, conflict) = match flow.space {
        Space::CallId => (Class::Pptp, Reason::HostConflict),
        _ => (Class::Gre, Reason::GreConflict),
    };
    let settings = world.settings();
    let full = settings.switch(class) == Switch::Full;
    if full && class == Class::Pptp {
        return Err(Reason::GreNoCall);
    }
    let selector = if full { flow.selector } else { 0 };
    by_address::pair(world, flow, &By { class, space: flow.space, selector, conflict })
}
