//! GRE (RFC 2784, RFC 2890) and PPTP (RFC 2637): the header, the calls, the control stream.

use crate::abi::{Session, SessionKey, Ticks};
use crate::seam::World;

/// Whether an enhanced GRE session's call has ended; `false` for every other session.
pub fn call_is_over<W: World>(_world: &W, _now: Ticks, _key: &SessionKey, _session: &Session) -> bool {
    false
}
