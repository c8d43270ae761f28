//! A control connection, as its calls need it.

use crate::abi::session::Rewrite;
use crate::abi::{Class, Session, SessionKey, Space, View};
use crate::proto::{halves, number};
use crate::seam::World;

use super::header::selector;

/// A control connection, as its calls need it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line {
    /// Outbound session key of the connection: server, inside host, and both ports.
    pub key: SessionKey,
    /// Outside address of the inside host.
    pub outside: u32,
    /// [`OWN`](crate::abi::session::flag::OWN) if the inside host is the gateway itself, else 0.
    pub own: u8,
}

impl Line {
    /// The connection that a session of its calls was made by, from that session.
    pub fn of_call(key: &SessionKey, session: &Session) -> SessionKey {
        let host = match key.view() {
            View::Inbound | View::Quoted => session.address,
            _ => key.local(),
        };
        let (remote_port, inside_port) = session.parent();
        SessionKey::ports(View::Outbound, (key.remote(), remote_port), (host, inside_port), number::TCP)
    }

    /// Key of an entry of the call with this ID.
    #[inline(always)]
    pub(super) fn call_key(&self, view: View, id: u16) -> SessionKey {
        let local = match view {
            View::Inbound | View::Quoted => self.outside,
            _ => self.key.local(),
        };
        SessionKey::new(view, self.key.remote(), local, number::GRE, Space::CallId, selector(id))
    }

    /// An entry of a call: to the inside host, or from it to the outside address. Those that stand for
    /// packets to the inside end, or quote them, change the call ID.
    #[inline(always)]
    pub(super) fn entry<W: World>(&self, world: &W, view: View, id: u16) -> Session {
        let rewrite = match view {
            View::Inbound | View::QuotedInside => Rewrite::CallId,
            _ => Rewrite::Address,
        };
        let to = match view {
            View::Inbound | View::Quoted => self.key.local(),
            _ => self.outside,
        };
        let (settings, now) = (world.settings(), world.now());
        let mut entry = halves::half(settings, now, Class::Pptp, rewrite, (to, id), self.own);
        entry.set_parent(self.key.remote_port(), self.key.local_id());
        entry
    }
}
