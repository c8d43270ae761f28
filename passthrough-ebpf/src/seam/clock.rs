//! The coarse monotonic clock: 3 ns a call, where `bpf_ktime_get_ns` costs 24.

use aya_ebpf::helpers::generated::bpf_ktime_get_coarse_ns;
use passthrough_common::abi::Ticks;
use passthrough_common::seam::Clock;

use super::Kernel;

impl<C> Clock for Kernel<C> {
    #[inline(always)]
    fn now(&self) -> Ticks {
        // SAFETY: the helper takes no argument and returns a number.
        Ticks::from_ns(unsafe { bpf_ktime_get_coarse_ns() })
    }
}
