//! An L2TP server (LNS) for many clients, which it tells apart by the tunnel IDs that it gave them.

use std::{
    collections::HashMap,
    net::{SocketAddrV4, UdpSocket},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context, Result, bail, ensure};

use super::{Control, Data, Message, PORT, attribute, kind};
use crate::{
    lab::Host,
    peers::{
        payload,
        service::{Service, Watch},
        socket::{self, SERVER_PATIENCE, receive_from},
    },
};

/// What the server thinks of clients' source ports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SourcePort {
    /// Only 1701 is answered.
    Insist,
    /// Any port is answered.
    Any,
}

/// A tunnel as the server sees it.
#[derive(Clone, Debug)]
pub struct Tunnel {
    /// The client's name, from the Host Name attribute.
    pub client: String,
    /// Where its SCCRQ came from.
    pub from: SocketAddrV4,
    /// The client's tunnel ID as it arrived.
    pub client_tunnel_id: u16,
    /// Data messages received.
    pub received: u32,
    client_session_id: u16,
    session_id: u16,
    ns: u16,
    nr: u16,
    /// The last answer, for a request that comes again.
    last: Vec<u8>,
}

#[derive(Debug, Default)]
struct State {
    /// By the server's tunnel ID.
    tunnels: HashMap<u16, Tunnel>,
    last_tunnel_id: u16,
}

/// A running server; it stops when dropped.
#[derive(Debug)]
pub struct Server {
    /// Its thread and what it complains about.
    pub service: Service,
    state: Arc<Mutex<State>>,
}

impl Server {
    /// Starts a server on a host.
    pub fn start(host: &Host, source_port: SourcePort) -> Result<Server> {
        let state = Arc::new(Mutex::new(State { last_tunnel_id: 0x6000, ..State::default() }));
        let mut service = Service::new("l2tp");
        let socket = host.namespace.enter(|| socket::udp(host.address, PORT, None))?;
        let shared = Arc::clone(&state);
        service.spawn(&host.namespace, move |watch| serve(&socket, source_port, &shared, watch))?;
        Ok(Server { service, state })
    }

    /// The tunnels.
    pub fn tunnels(&self) -> Vec<Tunnel> {
        lock(&self.state).tunnels.values().cloned().collect()
    }

    /// Forgets every tunnel, as after unanswered HELLOs: what is left of clients that a switch cut off.
    pub fn hang_up(&self) {
        lock(&self.state).tunnels.clear();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(socket: &UdpSocket, source_port: SourcePort, state: &Mutex<State>, watch: &Watch) -> Result<()> {
    let mut buffer = [0; 2048];
    while !watch.stopped() {
        let Some((length, from)) = receive_from(socket, &mut buffer, SERVER_PATIENCE)? else { continue };
        if source_port == SourcePort::Insist && from.port() != PORT {
            continue;
        }
        match answer(&buffer[..length], from, &mut lock(state), watch) {
            Ok(Some(answer)) => {
                socket.send_to(&answer, from).with_context(|| format!("could not answer {from}"))?;
            }
            Ok(None) => {}
            Err(error) => watch.fault(format!("L2TP from {from}: {error:#}")),
        }
    }
    Ok(())
}

fn answer(datagram: &[u8], from: SocketAddrV4, state: &mut State, watch: &Watch) -> Result<Option<Vec<u8>>> {
    match Message::decode(datagram)? {
        Message::Control(control) if control.tunnel_id == 0 => start(&control, from, state, watch).map(Some),
        Message::Control(control) => answer_control(&control, from, state),
        Message::Data(data) => answer_data(&data, from, state).map(Some),
    }
}

fn start(request: &Control, from: SocketAddrV4, state: &mut State, watch: &Watch) -> Result<Vec<u8>> {
    ensure!(
        request.kind() == Some(kind::SCCRQ),
        "L2TP control type {:?} without a tunnel ID",
        request.kind()
    );
    let client = request.value(attribute::HOST_NAME).context("an SCCRQ without a host name")?;
    let client = String::from_utf8_lossy(client).into_owned();
    let client_tunnel_id = request.number(attribute::TUNNEL_ID).context("an SCCRQ without a tunnel ID")?;
    let twin = |tunnel: &&Tunnel| tunnel.from == from && tunnel.client_tunnel_id == client_tunnel_id;
    if let Some(twin) = state.tunnels.values().find(twin) {
        if twin.client == client {
            return Ok(twin.last.clone());
        }
        // Two tunnels of one address, port and ID cannot be told apart (row L8).
        watch.fault(format!("{client} and {} both have tunnel ID {client_tunnel_id} at {from}", twin.client));
    }
    state.last_tunnel_id += 1;
    let id = state.last_tunnel_id;
    let attributes = vec![
        (attribute::MESSAGE_TYPE, kind::SCCRP.to_be_bytes().to_vec()),
        (attribute::PROTOCOL_VERSION, vec![1, 0]),
        (attribute::HOST_NAME, b"server".to_vec()),
        (attribute::FRAMING, vec![0, 0, 0, 3]),
        (attribute::TUNNEL_ID, id.to_be_bytes().to_vec()),
    ];
    let last = Control { tunnel_id: client_tunnel_id, session_id: 0, ns: 0, nr: 1, attributes }.encode();
    state.tunnels.insert(
        id,
        Tunnel {
            client,
            from,
            client_tunnel_id,
            received: 0,
            client_session_id: 0,
            session_id: 0,
            ns: 1,
            nr: 1,
            last: last.clone(),
        },
    );
    Ok(last)
}

fn answer_control(control: &Control, from: SocketAddrV4, state: &mut State) -> Result<Option<Vec<u8>>> {
    let Some(tunnel) = state.tunnels.get_mut(&control.tunnel_id) else {
        bail!("tunnel {} is unknown", control.tunnel_id)
    };
    ensure!(tunnel.from == from, "tunnel {} of {} is from {}", control.tunnel_id, tunnel.client, tunnel.from);
    let Some(kind) = control.kind() else { return Ok(None) };
    if control.ns != tunnel.nr {
        return Ok(Some(tunnel.last.clone()));
    }
    tunnel.nr += 1;
    let (mut session_id, mut attributes) = (0, Vec::new());
    match kind {
        kind::ICRQ => {
            let assigned = control.number(attribute::SESSION_ID);
            tunnel.client_session_id = assigned.context("an ICRQ without a session ID")?;
            tunnel.session_id = control.tunnel_id ^ 0x0f0f;
            session_id = tunnel.client_session_id;
            attributes = vec![
                (attribute::MESSAGE_TYPE, kind::ICRP.to_be_bytes().to_vec()),
                (attribute::SESSION_ID, tunnel.session_id.to_be_bytes().to_vec()),
            ];
        }
        kind::SCCCN | kind::HELLO | kind::STOP_CCN => {}
        kind::ICCN => {
            ensure!(control.session_id == tunnel.session_id, "an ICCN for session {}", control.session_id);
        }
        other => bail!("L2TP control type {other} from a client"),
    }
    let answer =
        Control { tunnel_id: tunnel.client_tunnel_id, session_id, ns: tunnel.ns, nr: tunnel.nr, attributes };
    if answer.kind().is_some() {
        tunnel.ns += 1;
    }
    tunnel.last = answer.encode();
    let last = tunnel.last.clone();
    if kind == kind::STOP_CCN {
        state.tunnels.remove(&control.tunnel_id);
    }
    Ok(Some(last))
}

fn answer_data(data: &Data<'_>, from: SocketAddrV4, state: &mut State) -> Result<Vec<u8>> {
    let Some(tunnel) = state.tunnels.get_mut(&data.tunnel_id) else {
        bail!("tunnel {} is unknown", data.tunnel_id)
    };
    ensure!(tunnel.from == from, "tunnel {} of {} is from {}", data.tunnel_id, tunnel.client, tunnel.from);
    ensure!(data.session_id == tunnel.session_id, "session {} in tunnel {}", data.session_id, data.tunnel_id);
    let number = payload::expect(data.payload, &tunnel.client, "l2tp up")?;
    tunnel.received += 1;
    let payload = payload::make(&tunnel.client, "l2tp down", number, data.payload.len());
    let answer = Data {
        length: data.length,
        tunnel_id: tunnel.client_tunnel_id,
        session_id: tunnel.client_session_id,
        payload: &payload,
    };
    Ok(answer.encode())
}
