//! The benchmark's kernel programs: loaded once, told what to do, asked what they saw.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use aya::{
    Ebpf,
    maps::{Array, DevMap, MapData, PerCpuArray},
    programs::{TestRun, TestRunAttrs, TestRunOptions, Xdp, XdpMode, xdp::XdpLink},
};

use super::{
    batches::Batches,
    frame::{Flow, Shape, Traffic},
    layout::{self, BATCH, BUCKETS, Bucket, Hop, Record, sink, state, template},
    network::Network,
};

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/bench"));

/// How long to wait for the last packets of a run. Most often they have arrived; but where the kernel has left them to its
/// own thread on that processor, other tasks may come before that one.
const LATE: Duration = Duration::from_secs(1);

/// What a run of the generator did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Run {
    /// Packets sent.
    pub sent: u64,
    /// Packets that arrived at the far end.
    pub arrived: u64,
    /// Durations of all batches but the last.
    pub batches: Batches,
}

impl Run {
    /// Adds another.
    pub fn add(&mut self, other: &Run) {
        self.sent += other.sent;
        self.arrived += other.arrived;
        self.batches.add(&other.batches);
    }

    /// Time of a packet, ns; 0 if none was timed.
    pub fn ns_a_packet(&self) -> f64 {
        self.batches.ns_a_packet().unwrap_or(0.0)
    }
}

/// The programs and their maps. They belong to no namespace: one set serves all labs.
pub struct Programs {
    ebpf: Ebpf,
    template: Array<MapData, [u64; template::WORDS]>,
    flows: Array<MapData, layout::Flow>,
    state: Array<MapData, [u64; state::WORDS]>,
    batches: Array<MapData, Bucket>,
    sink: Array<MapData, [u64; sink::WORDS]>,
    arrived: PerCpuArray<MapData, u64>,
    records: Array<MapData, Record>,
    hops: Array<MapData, Hop>,
    targets: DevMap<MapData>,
    shape: Option<Shape>,
    epoch: u64,
    next: u64,
}

impl Programs {
    /// Loads them.
    pub fn load() -> Result<Programs> {
        let mut ebpf = Ebpf::load(OBJECT).context("could not load the benchmark's programs")?;
        for name in ["generate", "sink", "forward_to_wan", "forward_to_lan", "pass"] {
            program(&mut ebpf, name)?.load().with_context(|| format!("could not load program {name}"))?;
        }
        Ok(Programs {
            template: Array::try_from(map(&mut ebpf, "TEMPLATE")?)?,
            flows: Array::try_from(map(&mut ebpf, "FLOW_TABLE")?)?,
            state: Array::try_from(map(&mut ebpf, "STATE")?)?,
            batches: Array::try_from(map(&mut ebpf, "BATCHES")?)?,
            sink: Array::try_from(map(&mut ebpf, "SINK")?)?,
            arrived: PerCpuArray::try_from(map(&mut ebpf, "ARRIVED")?)?,
            records: Array::try_from(map(&mut ebpf, "RECORDS")?)?,
            hops: Array::try_from(map(&mut ebpf, "HOPS")?)?,
            targets: DevMap::try_from(map(&mut ebpf, "TARGETS")?)?,
            ebpf,
            shape: None,
            epoch: 0,
            next: 0,
        })
    }

    /// Attaches a program, by the driver, to an interface of the calling thread's namespace.
    pub fn attach(&mut self, name: &str, interface: &str) -> Result<XdpLink> {
        let what = || format!("could not attach {name} to {interface}");
        let program = program(&mut self.ebpf, name)?;
        let link = program.attach(interface, XdpMode::Driver).with_context(what)?;
        program.take_link(link).with_context(what)
    }

    /// The program of a name, for what the kernel tells of it.
    pub fn program(&mut self, name: &str) -> Result<&mut Xdp> {
        program(&mut self.ebpf, name)
    }

    /// Tells bare forwarding its way, for interfaces of the calling thread's namespace.
    pub fn set_hop(&mut self, entry: u32, interface: u32, link: [[u8; 6]; 2]) -> Result<()> {
        let mut words = [0u8; 16];
        words[..6].copy_from_slice(&link[0]);
        words[6..12].copy_from_slice(&link[1]);
        let words = u128::from_le_bytes(words);
        self.hops.set(entry, [words as u64, (words >> 64) as u64], 0).context("could not set a hop")?;
        self.targets.set(entry, interface, None, 0).context("could not set a hop's interface")
    }

    /// The flows that the generator makes from now on, in this shape.
    pub fn set_flows(&mut self, shape: &Shape, flows: &[Flow]) -> Result<()> {
        self.set_some_flows(shape, flows, 0)
    }

    /// The same for those from number `from` on alone.
    pub fn set_some_flows(&mut self, shape: &Shape, flows: &[Flow], from: u32) -> Result<()> {
        let base = base(shape);
        for (number, flow) in (from..).zip(flows) {
            let words = shape.words(number, flow);
            self.flows.set(base + number, words, 0).context("could not write the flow table")?;
        }
        Ok(())
    }

    /// What ends at the sinks: one kind of traffic, or nothing.
    pub fn sink(&mut self, traffic: Option<Traffic>) -> Result<()> {
        self.set_sink(traffic, 0)
    }

    fn set_sink(&mut self, traffic: Option<Traffic>, epoch: u64) -> Result<()> {
        let protocol = traffic.map_or(0, |traffic| u64::from(traffic.protocol()));
        let mut words = [0; sink::WORDS];
        words[sink::PROTOCOL] = protocol;
        words[sink::EPOCH] = epoch;
        self.sink.set(0, words, 0).context("could not write the sink's table")
    }

    /// Sends `count` packets of the first `flows` flows, going on after the flow of the last run; the first is `from` if
    /// it is given. The calling thread's namespace is left alone: the generator sends from its end of `network`.
    pub fn run(
        &mut self,
        network: &Network,
        shape: &Shape,
        flows: u32,
        count: u64,
        from: Option<u32>,
    ) -> Result<Run> {
        self.sink(Some(shape.traffic))?;
        self.send(network, shape, flows, count, from)
    }

    /// The same, and notes what each flow looks like at the far end: read by [`Programs::seen`].
    pub fn run_and_note(
        &mut self,
        network: &Network,
        shape: &Shape,
        flows: u32,
        (from, count): (u32, u32),
    ) -> Result<Run> {
        self.epoch += 1;
        self.set_sink(Some(shape.traffic), self.epoch)?;
        let run = self.send(network, shape, flows, u64::from(count), Some(from));
        self.sink(Some(shape.traffic))?;
        run
    }

    fn send(
        &mut self,
        network: &Network,
        shape: &Shape,
        flows: u32,
        count: u64,
        from: Option<u32>,
    ) -> Result<Run> {
        if let Some(from) = from.map(u64::from).or((self.shape != Some(*shape)).then_some(0)) {
            self.next = from;
        }
        self.shape = Some(*shape);
        let interface = network.sender(shape.outbound);
        self.template
            .set(0, shape.template(interface.index, base(shape), flows), 0)
            .context("could not write the generator's template")?;
        let mut words = [0; state::WORDS];
        words[state::LIMIT] = count;
        words[state::NEXT] = self.next % u64::from(flows);
        self.state.set(0, words, 0).context("could not write the generator's state")?;
        for bucket in 0..BUCKETS {
            self.batches.set(bucket, [0; 2], 0).context("could not empty the generator's clock")?;
        }
        let before = self.arrived()?;

        let none = Flow { source: 0, destination: 0, selector: 0 };
        let frame = shape.frame(0, &none);
        let repeat = u32::try_from(count).context("too many packets for one run")?;
        let program: &Xdp = program(&mut self.ebpf, "generate")?;
        interface
            .namespace
            .enter(|| {
                super::take_processor()?;
                let options = TestRunOptions {
                    data_in: Some(&frame),
                    repeat,
                    attrs: TestRunAttrs::new().xdp_live_frames(BATCH as u32),
                    ..TestRunOptions::new()
                };
                program.test_run(options).map_err(|error| anyhow!("{error}"))
            })
            .context("could not run the generator: live frames need Linux 5.18 or newer")?;

        let words = self.state.get(&0, 0).context("could not read the generator's state")?;
        self.next = words[state::NEXT];
        let batches = (0..BUCKETS).map(|bucket| self.batches.get(&bucket, 0)).collect::<Result<_, _>>();
        let batches = Batches::new(batches.context("could not read the generator's clock")?);
        let mut run = Run { sent: words[state::COUNT], arrived: 0, batches };
        let deadline = Instant::now() + LATE;
        loop {
            run.arrived = self.arrived()? - before;
            if run.arrived >= run.sent || Instant::now() > deadline {
                return Ok(run);
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn arrived(&self) -> Result<u64> {
        let each = self.arrived.get(&0, 0).context("could not read the sink's counter")?;
        Ok(each.iter().sum())
    }

    /// What was noted of a flow in the last run that did so; `None` if none of it arrived.
    pub fn record(&self, number: u32) -> Result<Option<Record>> {
        let record = self.records.get(&number, 0).context("could not read what the sink saw")?;
        Ok((record[2] == self.epoch).then_some(record))
    }

    /// The same, as a flow.
    pub fn seen(&self, traffic: Traffic, number: u32) -> Result<Option<Flow>> {
        Ok(self.record(number)?.map(|record| Flow::of_record(traffic, &record)))
    }
}

fn base(shape: &Shape) -> u32 {
    if shape.outbound { 0 } else { layout::FLOWS }
}

fn program<'e>(ebpf: &'e mut Ebpf, name: &str) -> Result<&'e mut Xdp> {
    let program = ebpf.program_mut(name).with_context(|| format!("the object has no program {name}"))?;
    program.try_into().with_context(|| format!("{name} is no XDP program"))
}

fn map(ebpf: &mut Ebpf, name: &str) -> Result<aya::maps::Map> {
    ebpf.take_map(name).with_context(|| format!("the object has no map {name}"))
}
