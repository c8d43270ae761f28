//! One run: clients, a server, a network that loses and delays, and the gateway under a rule between them.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

use super::{
    Scenario,
    chance::{Chance, For},
    exchange::{Exchange, Kind, Side, again},
    rule::{Clear, Micros, Rule, SECOND, Sent},
    tally::{Outages, Tally, Waits},
    tunnel::{ANSWERED, Association, Tunnel},
};

/// How long the gateway is away when it restarts.
const AWAY: Micros = 2 * SECOND;
/// A client that gave up starts again after this.
const PAUSE: Micros = 5 * SECOND;

/// What a packet carries for its receiver.
#[derive(Clone, Copy, Debug)]
enum Load {
    Message { exchange: usize, message: u8 },
    Data,
}

#[derive(Clone, Copy, Debug)]
struct Packet {
    client: usize,
    clear: Clear,
    load: Load,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    /// A client begins, or begins again.
    Start(usize),
    /// Time for an exchange of this kind.
    Due(usize, Kind, Side),
    /// A message may have to be sent again.
    Again { exchange: usize, message: u8, attempt: u32 },
    /// A side has data to send.
    Data(usize, Side),
    /// The server answers a client's data.
    Answer(usize),
    /// A client's data that was held is sent again.
    Repeat { client: usize, spi: u32, attempt: u32 },
    /// A packet from the server reaches the gateway.
    AtGateway(Packet),
    /// A packet reaches the server.
    AtServer(Packet),
    /// The gateway restarts.
    Restart,
}

/// The whole of it.
pub struct Run<'a> {
    chance: Chance,
    scenario: Scenario,
    rule: &'a mut dyn Rule,
    now: Micros,
    away_until: Micros,
    queue: BinaryHeap<Reverse<(Micros, usize)>>,
    events: Vec<Event>,
    tunnels: Vec<Tunnel>,
    exchanges: Vec<Exchange>,
    /// Whose an inbound SPI is.
    owners: HashMap<u32, usize>,
    /// Draws so far, by what they name.
    drawn: HashMap<[u64; 2], u64>,
    waits: Waits,
    outages: Outages,
    tally: Tally,
}

impl<'a> Run<'a> {
    /// A run that has not begun.
    pub fn new(scenario: Scenario, seed: u64, rule: &'a mut dyn Rule) -> Run<'a> {
        let chance = Chance(seed);
        let tunnels = (0..scenario.clients).map(|client| Tunnel::new(chance, client)).collect();
        Run {
            chance,
            scenario,
            rule,
            now: 0,
            away_until: 0,
            queue: BinaryHeap::new(),
            events: Vec::new(),
            tunnels,
            exchanges: Vec::new(),
            owners: HashMap::new(),
            drawn: HashMap::new(),
            waits: Waits::default(),
            outages: Outages::default(),
            tally: Tally::default(),
        }
    }

    /// Runs it to its end.
    pub fn run(mut self) -> Tally {
        let end = self.scenario.secs * SECOND;
        for client in 0..self.scenario.clients {
            // Half of them at once, as after a power cut; the rest whenever.
            let habit = self.chance.share(For::Habit, [client as u64, 9, 0]);
            let within = if habit < 0.5 { 2 * SECOND } else { end / 3 };
            let start = self.chance.within(For::Habit, [client as u64, 10, 0], 0..within);
            self.at(start, Event::Start(client));
        }
        for restart in 0..self.scenario.restarts {
            let at = self.chance.within(For::Restart, [restart as u64, 0, 0], end / 4..end * 3 / 4);
            self.at(at, Event::Restart);
        }
        while let Some(Reverse((time, index))) = self.queue.pop() {
            if time >= end {
                break;
            }
            self.now = time;
            self.handle(self.events[index]);
        }
        self.waits.end(&mut self.tally, end);
        self.outages.end(&mut self.tally);
        self.tally
    }

    fn at(&mut self, time: Micros, event: Event) {
        self.queue.push(Reverse((time, self.events.len())));
        self.events.push(event);
    }

    fn after(&mut self, length: Micros, event: Event) {
        self.at(self.now + length, event);
    }

    /// The next draw of its kind: as many of a name as were drawn before.
    fn name(&mut self, one: u64, other: u64) -> [u64; 3] {
        let count = self.drawn.entry([one, other]).or_default();
        *count += 1;
        [one, other, *count]
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Start(client) => self.start(client),
            Event::Due(client, kind, by) => self.due(client, kind, by),
            Event::Again { exchange, message, attempt } => self.again(exchange, message, attempt),
            Event::Data(client, side) => self.data(client, side),
            Event::Answer(client) => self.speak(client, Side::Server, 0),
            Event::Repeat { client, spi, attempt } => self.repeat(client, spi, attempt),
            Event::AtGateway(packet) => self.at_gateway(&packet),
            Event::AtServer(packet) => self.receive(Side::Server, &packet),
            Event::Restart => {
                self.rule.restart();
                self.away_until = self.now + AWAY;
            }
        }
    }

    /// A tunnel begins from nothing.
    fn start(&mut self, client: usize) {
        let tunnel = &mut self.tunnels[client];
        tunnel.ends[Side::Client as usize].busy = None;
        self.begin(client, Kind::Begin, Side::Client);
    }

    /// The habits of a tunnel that is up.
    fn settle(&mut self, client: usize) {
        if std::mem::replace(&mut self.tunnels[client].started, true) {
            return;
        }
        for side in [Side::Client, Side::Server] {
            self.after(0, Event::Data(client, side));
            self.schedule(client, Kind::Child, side);
            self.schedule(client, Kind::Ike, side);
            self.schedule(client, Kind::Probe, side);
        }
    }

    fn schedule(&mut self, client: usize, kind: Kind, by: Side) {
        let mean = match kind {
            Kind::Child => self.scenario.rekey_secs,
            Kind::Ike => self.scenario.rekey_secs * 3,
            _ => 30,
        };
        let name = self.name(client as u64, kind as u64 * 2 + by as u64);
        let pause = self.chance.within(For::Exchange, name, mean * SECOND / 2..mean * SECOND * 3 / 2);
        self.after(pause, Event::Due(client, kind, by));
    }

    fn due(&mut self, client: usize, kind: Kind, by: Side) {
        let end = &self.tunnels[client].ends[by as usize];
        if end.busy.is_some() || end.association.is_none() {
            // One exchange at a time (RFC 7296 section 2.3).
            self.after(SECOND, Event::Due(client, kind, by));
            return;
        }
        self.begin(client, kind, by);
        self.schedule(client, kind, by);
    }

    fn begin(&mut self, client: usize, kind: Kind, by: Side) {
        let tunnel = &mut self.tunnels[client];
        tunnel.exchanges += 1;
        let (number, v2) = (tunnel.exchanges, tunnel.v2);
        let fresh = kind == Kind::Begin || (kind == Kind::Ike && !v2);
        let initiator = if fresh {
            self.chance.bits(For::Spi, [client as u64, number, 2]) | 1
        } else {
            tunnel.ends[by as usize].initiator
        };
        let exchange = self.exchanges.len();
        tunnel.ends[by as usize].busy = Some(exchange);
        self.exchanges.push(Exchange {
            client,
            kind,
            by,
            number,
            v2,
            initiator,
            sent: [None; 2],
            done: [false; 2],
        });
        self.say(exchange, 0, 0);
    }

    /// Sends a message of an exchange, and will see to it that it is answered.
    fn say(&mut self, index: usize, message: u8, attempt: u32) {
        let exchange = &mut self.exchanges[index];
        let side = exchange.sender(message);
        exchange.sent[side as usize] = Some(message);
        let packet = Packet {
            client: exchange.client,
            clear: exchange.clear(message),
            load: Load::Message { exchange: index, message },
        };
        let is_last = message + 1 == exchange.messages();
        self.send(side, packet, 1 << 40 | index as u64);
        if !is_last && let Some(pause) = again(attempt) {
            self.after(pause, Event::Again { exchange: index, message, attempt: attempt + 1 });
        }
    }

    fn again(&mut self, index: usize, message: u8, attempt: u32) {
        let exchange = self.exchanges[index];
        let side = exchange.sender(message);
        let answered = exchange.done[side as usize] || exchange.sent[side as usize] != Some(message);
        if answered || self.tunnels[exchange.client].ends[exchange.by as usize].busy != Some(index) {
            return;
        }
        if again(attempt).is_some() {
            self.say(index, message, attempt);
        } else if side == exchange.by {
            self.give_up(index);
        }
    }

    /// Nobody answers: a client begins again, a server leaves it to the client.
    fn give_up(&mut self, index: usize) {
        let Exchange { client, by, .. } = self.exchanges[index];
        self.waits.over(&mut self.tally, self.now, client, 1 << 40 | index as u64);
        self.tunnels[client].ends[by as usize].busy = None;
        if by == Side::Client {
            self.after(PAUSE, Event::Start(client));
        }
    }

    /// Sends a packet of data, if there is an association to send it by. One that is held is sent again, as TCP would.
    fn speak(&mut self, client: usize, side: Side, attempt: u32) {
        let end = &mut self.tunnels[client].ends[side as usize];
        let Some(association) = end.association else { return };
        end.sequence += 1;
        let spi = association.spis[side as usize];
        let clear = Clear::Esp { spi, sequence: end.sequence };
        let sent = self.send(side, Packet { client, clear, load: Load::Data }, u64::from(spi));
        if sent == Sent::Held
            && let Some(pause) = again(attempt)
        {
            self.after(pause, Event::Repeat { client, spi, attempt: attempt + 1 });
        }
    }

    /// A client's packet that was held is due again: by the association that it has now.
    fn repeat(&mut self, client: usize, spi: u32, attempt: u32) {
        let now = self.tunnels[client].ends[Side::Client as usize].association;
        if now.is_none_or(|association| association.spis[Side::Client as usize] != spi) {
            self.waits.over(&mut self.tally, self.now, client, u64::from(spi));
        }
        self.speak(client, Side::Client, attempt);
    }

    fn data(&mut self, client: usize, side: Side) {
        self.speak(client, side, 0);
        let mean = self.tunnels[client].data[side as usize];
        let name = self.name(client as u64, 100 + side as u64);
        let pause = self.chance.pause(For::Data, name, mean);
        self.after(pause, Event::Data(client, side));
    }

    /// Sends a packet on its way; `what` it is, should it have to wait.
    fn send(&mut self, side: Side, packet: Packet, what: u64) -> Sent {
        let name = self.name(packet.client as u64, 200 + side as u64);
        let lost = self.chance.share(For::Loss, name) < self.scenario.loss;
        // 20 ms, and up to as much again: packets overtake each other.
        let delay = self.chance.within(For::Delay, name, 20_000..40_000);
        if side == Side::Server {
            if !lost {
                self.after(delay, Event::AtGateway(packet));
            }
            return Sent::Passed;
        }
        if self.now < self.away_until {
            return Sent::Passed;
        }
        let sent = self.rule.outbound(self.now, packet.client, &packet.clear);
        self.waits.note(&mut self.tally, self.now, packet.client, what, sent);
        match (sent, packet.load) {
            (Sent::Passed, _) if !lost => self.after(delay, Event::AtServer(packet)),
            (Sent::Dropped, Load::Data) => self.tally.refused += 1,
            (Sent::Dropped, Load::Message { .. }) => self.tally.ike_dropped += 1,
            _ => {}
        }
        sent
    }

    fn at_gateway(&mut self, packet: &Packet) {
        if self.now < self.away_until {
            return;
        }
        let given = self.rule.inbound(self.now, packet.client, &packet.clear);
        let right = given.is_some_and(|given| given.client == packet.client);
        if let Clear::Esp { spi, .. } = packet.clear {
            debug_assert_eq!(self.owners.get(&spi), Some(&packet.client));
            match given {
                Some(given) if right => {
                    self.tally.right += 1;
                    self.tally.confirmed += u64::from(!given.tentative);
                    self.outages.arrived(&mut self.tally, self.now, spi);
                }
                Some(given) if given.tentative => self.tally.tentative += 1,
                Some(_) => self.tally.silent += 1,
                None => self.tally.dropped += 1,
            }
            if !right {
                self.outages.lost(self.now, spi);
            }
        } else {
            match given {
                None => self.tally.ike_dropped += 1,
                Some(given) if !right && given.tentative => self.tally.ike_guessed += 1,
                Some(_) => self.tally.ike_wrong += u64::from(!right),
            }
        }
        if right {
            self.receive(Side::Client, packet);
        }
    }

    /// Data has arrived: the server answers most of it.
    fn hear(&mut self, side: Side, packet: &Packet) {
        let name = self.name(packet.client as u64, 300 + side as u64);
        if side == Side::Server && self.chance.share(For::Data, name) < ANSWERED {
            let thinks = self.chance.within(For::Delay, name, 1_000..100_000);
            self.after(thinks, Event::Answer(packet.client));
        }
    }

    fn receive(&mut self, side: Side, packet: &Packet) {
        let Load::Message { exchange: index, message } = packet.load else { return self.hear(side, packet) };
        let exchange = self.exchanges[index];
        let before = exchange.sent[side as usize];
        let next = message + 1;
        let asked_for = message < 2 || before == Some(message - 1) || before == Some(next);
        if !asked_for || before.is_some_and(|sent| sent > next) {
            return;
        }
        if message + 2 >= exchange.messages() {
            self.finish(index, side);
        }
        if next < exchange.messages() {
            self.say(index, next, 0);
        }
    }

    /// A side has all that the exchange is for.
    fn finish(&mut self, index: usize, side: Side) {
        if std::mem::replace(&mut self.exchanges[index].done[side as usize], true) {
            return;
        }
        let exchange = self.exchanges[index];
        let (client, number) = (exchange.client, exchange.number);
        let draw = |which| self.chance.bits(For::Spi, [client as u64, number, which]);
        let end = &mut self.tunnels[client].ends[side as usize];
        if end.busy == Some(index) {
            end.busy = None;
        }
        match exchange.kind {
            Kind::Begin => end.initiator = exchange.initiator,
            Kind::Ike if exchange.v2 => end.initiator = draw(2) | 1,
            Kind::Ike => end.initiator = exchange.initiator,
            Kind::First | Kind::Child => {
                let spis = [draw(0), draw(1)].map(|bits| bits as u32 | 0x1000);
                if end.association.is_none_or(|association| association.number < number) {
                    end.association = Some(Association { number, spis });
                    end.sequence = 0;
                }
                self.owners.insert(spis[1], client);
                if side == Side::Client {
                    self.settle(client);
                }
            }
            Kind::Probe => {}
        }
        if exchange.kind == Kind::Begin && side == exchange.by {
            self.begin(client, Kind::First, Side::Client);
        }
    }
}
