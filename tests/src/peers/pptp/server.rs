//! A PPTP server (PAC) for many clients: call IDs of its own, data sent to the call ID that it saw in each request.

use std::{
    collections::HashMap,
    io::Write,
    net::{IpAddr, Ipv4Addr, SocketAddrV4, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};

use super::{Inbox, Incoming, Message, PORT, kind};
use crate::{
    lab::Host,
    peers::{
        gre::{self, Enhanced},
        payload,
        service::{Service, Watch},
        socket::{RawIp, SERVER_PATIENCE, is_timeout},
    },
};

/// A call as the server sees it.
#[derive(Clone, Debug)]
pub struct Call {
    /// The client's name, from the request's phone number.
    pub client: String,
    /// Where the request came from.
    pub address: Ipv4Addr,
    /// The client's call ID as it arrived.
    pub client_call_id: u16,
    /// Whether the call is up; GRE of an ended call may still be on its way.
    pub up: bool,
    /// Data packets received.
    pub received: u32,
    sent: u32,
}

#[derive(Debug, Default)]
struct State {
    /// By the server's own call ID.
    calls: HashMap<u16, Call>,
    last_call_id: u16,
}

/// A running server; it stops when dropped.
#[derive(Debug)]
pub struct Server {
    /// Its threads and what they complain about.
    pub service: Service,
    state: Arc<Mutex<State>>,
}

impl Server {
    /// Starts a server on a host.
    pub fn start(host: &Host) -> Result<Server> {
        // The server's IDs begin far from the clients', so that a mix-up of the two cannot go unseen.
        let state = Arc::new(Mutex::new(State { last_call_id: 0x7000, ..State::default() }));
        let mut service = Service::new("pptp");
        let (address, shared) = (host.address, Arc::clone(&state));
        let listener = host.namespace.enter(|| {
            TcpListener::bind(SocketAddrV4::new(address, PORT)).context("could not listen on the PPTP port")
        })?;
        listener.set_nonblocking(true).context("could not set the PPTP listener up")?;
        service.spawn(&host.namespace, move |watch| accept(&listener, &shared, watch))?;
        let shared = Arc::clone(&state);
        let data = host.namespace.enter(|| RawIp::open(gre::PROTOCOL, address, None))?;
        service.spawn(&host.namespace, move |watch| serve_data(&data, &shared, watch))?;
        Ok(Server { service, state })
    }

    /// The calls that are up.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.state).calls.values().filter(|call| call.up).cloned().collect()
    }

    /// Counts every call as ended, as after echo requests without a reply: what is left of connections that a switch cut.
    pub fn hang_up(&self) {
        lock(&self.state).calls.values_mut().for_each(|call| call.up = false);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(listener: &TcpListener, state: &Arc<Mutex<State>>, watch: &Watch) -> Result<()> {
    let mut connections = Vec::new();
    while !watch.stopped() {
        match listener.accept() {
            Ok((stream, from)) => {
                let (state, watch) = (Arc::clone(state), watch.clone());
                connections.push(thread::spawn(move || {
                    let IpAddr::V4(address) = from.ip() else { return };
                    if let Err(error) = serve_control(stream, address, &state, &watch) {
                        watch.fault(format!("control connection from {from}: {error:#}"));
                    }
                }));
            }
            Err(error) if is_timeout(&error) => thread::sleep(Duration::from_millis(2)),
            Err(error) => return Err(error).context("could not accept a PPTP connection"),
        }
    }
    for connection in connections {
        let _ = connection.join();
    }
    Ok(())
}

fn serve_control(
    mut stream: TcpStream,
    address: Ipv4Addr,
    state: &Mutex<State>,
    watch: &Watch,
) -> Result<()> {
    stream.set_nonblocking(false).context("could not set a connection up")?;
    stream.set_nodelay(true).context("could not set a connection up")?;
    let mut inbox = Inbox::default();
    let mut own_calls = Vec::new();
    while !watch.stopped() {
        let message = match inbox.next(&mut stream, SERVER_PATIENCE)? {
            Incoming::Message(message) => message,
            Incoming::Nothing => continue,
            Incoming::Closed => break,
        };
        let answer = match message.kind() {
            kind::START_REQUEST => Message::start(kind::START_REPLY, "server"),
            kind::ECHO_REQUEST => Message::echo_reply(message.at32(12)),
            kind::OUTGOING_CALL_REQUEST => {
                let call_id = open_call(&message, address, state, watch);
                own_calls.push(call_id);
                Message::outgoing_call_reply(call_id, message.at16(12))
            }
            kind::CALL_CLEAR_REQUEST => match end_call(message.at16(12), &own_calls, state) {
                Some(call_id) => Message::call_disconnect_notify(call_id),
                None => bail!("call {} is to be cleared, which it never opened", message.at16(12)),
            },
            kind::STOP_REQUEST => Message::stop(kind::STOP_REPLY),
            other => bail!("PPTP control type {other} from a client"),
        };
        if stream.write_all(answer.bytes()).is_err() {
            break;
        }
    }
    for call_id in own_calls {
        if let Some(call) = lock(state).calls.get_mut(&call_id) {
            call.up = false;
        }
    }
    Ok(())
}

/// Gives a call its ID, and complains if another call from the same address has the same client's call ID: GRE to
/// the two could not be told apart (row P1).
fn open_call(request: &Message, address: Ipv4Addr, state: &Mutex<State>, watch: &Watch) -> u16 {
    let (client, client_call_id) = (request.text(40, 64), request.at16(12));
    let mut state = lock(state);
    let twin = |call: &&Call| call.up && call.address == address && call.client_call_id == client_call_id;
    if let Some(twin) = state.calls.values().find(twin) {
        watch.fault(format!("{client} and {} both have call ID {client_call_id} at {address}", twin.client));
    }
    state.last_call_id = state.last_call_id.wrapping_add(1);
    let call_id = state.last_call_id;
    state.calls.insert(call_id, Call { client, address, client_call_id, up: true, received: 0, sent: 0 });
    call_id
}

fn end_call(client_call_id: u16, own_calls: &[u16], state: &Mutex<State>) -> Option<u16> {
    let mut state = lock(state);
    own_calls.iter().copied().find(|call_id| {
        let call =
            state.calls.get_mut(call_id).filter(|call| call.up && call.client_call_id == client_call_id);
        call.map(|call| call.up = false).is_some()
    })
}

fn serve_data(socket: &RawIp, state: &Mutex<State>, watch: &Watch) -> Result<()> {
    let mut buffer = [0; 2048];
    while !watch.stopped() {
        let Some((from, bytes)) = socket.receive(&mut buffer, SERVER_PATIENCE)? else { continue };
        match answer_data(bytes, from, &mut lock(state)) {
            Ok(Some(answer)) => socket.send_to(&answer, from)?,
            Ok(None) => {}
            Err(error) => watch.fault(format!("GRE from {from}: {error:#}")),
        }
    }
    Ok(())
}

fn answer_data(bytes: &[u8], from: Ipv4Addr, state: &mut State) -> Result<Option<Vec<u8>>> {
    let Some(packet) = Enhanced::decode(bytes)? else { return Ok(None) };
    let Some(call) = state.calls.get_mut(&packet.call_id) else {
        bail!("call ID {} was never assigned", packet.call_id);
    };
    let Some(sequence) = packet.sequence.filter(|_| call.up) else { return Ok(None) };
    if call.address != from {
        bail!("call {} of {} is from {}", packet.call_id, call.client, call.address);
    }
    let number = payload::expect(packet.payload, &call.client, "pptp up")?;
    call.received += 1;
    let answer = payload::make(&call.client, "pptp down", number, packet.payload.len());
    let packet = Enhanced {
        call_id: call.client_call_id,
        sequence: Some(call.sent),
        acknowledgement: Some(sequence),
        payload: &answer,
    };
    call.sent += 1;
    Ok(Some(packet.encode()))
}
