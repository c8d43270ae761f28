//! The maps of the benchmark's programs; the runner fills and reads them.

use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, DevMap, PerCpuArray};

use crate::layout::{BUCKETS, Bucket, FLOW_ENTRIES, FLOWS, Flow, Hop, Record, sink, state, template};

/// The frame to make, and where it goes.
#[map]
pub static TEMPLATE: Array<[u64; template::WORDS]> = Array::with_max_entries(1, 0);
/// The flows, outbound and inbound.
#[map]
pub static FLOW_TABLE: Array<Flow> = Array::with_max_entries(FLOW_ENTRIES, 0);
/// The generator's state. It runs on one processor.
#[map]
pub static STATE: Array<[u64; state::WORDS]> = Array::with_max_entries(1, 0);
/// How long batches took, from the beginning of each to that of the next.
#[map]
pub static BATCHES: Array<Bucket> = Array::with_max_entries(BUCKETS, 0);
/// What the sink looks for.
#[map]
pub static SINK: Array<[u64; sink::WORDS]> = Array::with_max_entries(1, 0);
/// Packets that have arrived.
#[map]
pub static ARRIVED: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);
/// What has arrived, by flow number.
#[map]
pub static RECORDS: Array<Record> = Array::with_max_entries(FLOWS, 0);
/// Hops of bare forwarding.
#[map]
pub static HOPS: Array<Hop> = Array::with_max_entries(2, 0);
/// The same hops' interfaces.
#[map]
pub static TARGETS: DevMap = DevMap::with_max_entries(2, 0);
