//! PPTP calls made by real control connections through the gateway: one call a connection, all to one server.

use std::{
    net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

use super::{
    flows::{self, FIRST_SERVER},
    frame::Flow,
    network::Network,
    take_processor,
};
use crate::peers::{
    pptp::{Inbox, Incoming, Message, PORT, kind},
    socket,
};

/// How long any message may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Call IDs that the server chooses: far from the clients', so that a mix-up cannot go unseen.
const SERVER_IDS: u32 = 0x7000;

/// Both ends of a control connection.
struct Connection {
    client: (TcpStream, Inbox),
    server: (TcpStream, Inbox),
}

/// Calls that are up, as long as this is there.
pub struct Calls {
    listener: TcpListener,
    connections: Vec<Connection>,
    outbound: Vec<Flow>,
    inbound: Vec<Flow>,
}

impl Calls {
    /// A server that waits for calls.
    pub fn new(network: &Network) -> Result<Calls> {
        let listener = network.wan.namespace.enter(|| {
            TcpListener::bind(SocketAddrV4::new(FIRST_SERVER, PORT))
                .context("could not listen on the PPTP port")
        })?;
        listener.set_nonblocking(true).context("could not set the PPTP listener up")?;
        Ok(Calls { listener, connections: Vec::new(), outbound: Vec::new(), inbound: Vec::new() })
    }

    /// Has at least `count` calls up; gives their outbound flows, and their inbound ones as the server sends them.
    pub fn bring_to(&mut self, network: &Network, count: u32) -> Result<(&[Flow], &[Flow])> {
        network.lan.namespace.enter(|| {
            // With its timers: a late acknowledgement from another processor would take the veth's NAPI there, and leave
            // the generator's packets to whatever that one is doing.
            take_processor()?;
            for number in self.connections.len() as u32..count {
                self.call(number).with_context(|| format!("PPTP call {} of {count}", number + 1))?;
            }
            Ok(())
        })?;
        Ok((&self.outbound[..count as usize], &self.inbound[..count as usize]))
    }

    /// The call ID that client `number` has chosen.
    pub const fn client_id(number: u32) -> u32 {
        number + 1
    }

    fn call(&mut self, number: u32) -> Result<()> {
        let host = flows::host(number);
        let client = socket::tcp(Ipv4Addr::from(host), SocketAddrV4::new(FIRST_SERVER, PORT), PATIENCE)?;
        let (server, from) = self.listener.accept().context("the connection did not arrive")?;
        let std::net::IpAddr::V4(outside) = from.ip() else { bail!("a connection from {from}") };
        server.set_nonblocking(false).context("could not set a connection up")?;
        server.set_nodelay(true).context("could not set a connection up")?;
        let mut client = (client, Inbox::default());
        let mut server = (server, Inbox::default());
        pass(&mut client, &mut server, &Message::start(kind::START_REQUEST, "client"))?;
        pass(&mut server, &mut client, &Message::start(kind::START_REPLY, "server"))?;
        let (own, servers) = (Calls::client_id(number) as u16, (SERVER_IDS + number) as u16);
        let request = Message::outgoing_call_request(own, number as u16, "client");
        let outside_id = pass(&mut client, &mut server, &request)?.at16(12);
        let reply = Message::outgoing_call_reply(servers, outside_id);
        let told = pass(&mut server, &mut client, &reply)?;
        ensure!(told.at16(14) == own, "call {own} was answered as {}", told.at16(14));
        let server_host = u32::from(FIRST_SERVER);
        self.outbound.push(Flow {
            source: host,
            destination: server_host,
            selector: u32::from(told.at16(12)),
        });
        self.inbound.push(Flow {
            source: server_host,
            destination: u32::from(outside),
            selector: u32::from(outside_id),
        });
        self.connections.push(Connection { client, server });
        Ok(())
    }
}

impl Drop for Calls {
    /// Ends them in order, servers last: a connection that is closed at both ends leaves nothing behind.
    fn drop(&mut self) {
        for Connection { client, server } in self.connections.drain(..) {
            drop(client);
            drop(server);
        }
    }
}

/// Sends a message from one end and gives it as it arrives at the other.
fn pass(from: &mut (TcpStream, Inbox), to: &mut (TcpStream, Inbox), message: &Message) -> Result<Message> {
    use std::io::Write;
    from.0.write_all(message.bytes()).context("could not write to the PPTP control connection")?;
    match to.1.next(&mut to.0, PATIENCE)? {
        Incoming::Message(arrived) if arrived.kind() == message.kind() => Ok(arrived),
        Incoming::Message(arrived) => {
            bail!("PPTP control type {} instead of {}", arrived.kind(), message.kind())
        }
        Incoming::Nothing => bail!("no PPTP control message of type {} in time", message.kind()),
        Incoming::Closed => bail!("the PPTP control connection was closed"),
    }
}
