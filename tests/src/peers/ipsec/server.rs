//! An IPsec server for many clients, which it tells apart by initiator SPI and by the ESP SPIs that it gave them.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context, Result, bail, ensure};

use super::{
    Message, NAT_T_PORT, NON_ESP_MARKER, PORT, RESPONSE, delete_payload, exchange, identity_payload,
    key_payloads, sa_payload,
};
use crate::{
    lab::Host,
    peers::{
        esp::{self, Packet},
        payload,
        service::{Service, Watch},
        socket::{self, RawIp, SERVER_PATIENCE, receive_from},
    },
};

/// An IKE SA.
#[derive(Debug)]
struct Association {
    responder_spi: [u8; 8],
    client: Option<String>,
    /// The last response, and the message ID that it answers: sent again when the request comes again.
    last: (u32, Vec<u8>),
}

/// An ESP pair.
#[derive(Clone, Debug)]
pub struct Child {
    /// The client's name, from IKE_AUTH.
    pub client: String,
    /// Where its IKE came from last.
    pub from: SocketAddrV4,
    /// The SPI that the client chose: what is sent to it.
    pub client_spi: u32,
    /// Packets received.
    pub received: u32,
    sent: u32,
}

#[derive(Debug, Default)]
struct State {
    /// By initiator SPI.
    associations: HashMap<[u8; 8], Association>,
    /// By the server's SPI: what it receives.
    children: HashMap<u32, Child>,
    last_spi: u32,
}

/// A running server; it stops when dropped.
#[derive(Debug)]
pub struct Server {
    /// Its threads and what they complain about.
    pub service: Service,
    state: Arc<Mutex<State>>,
}

impl Server {
    /// Starts a server on a host: UDP ports 500 and 4500, and ESP.
    pub fn start(host: &Host) -> Result<Server> {
        let state = Arc::new(Mutex::new(State { last_spi: 0xc000_0000, ..State::default() }));
        let mut service = Service::new("ipsec");
        let address = host.address;
        for port in [PORT, NAT_T_PORT] {
            let socket = host.namespace.enter(|| socket::udp(address, port, None))?;
            let state = Arc::clone(&state);
            service.spawn(&host.namespace, move |watch| serve_udp(&socket, port, &state, watch))?;
        }
        let socket = host.namespace.enter(|| RawIp::open(esp::PROTOCOL, address, None))?;
        let shared = Arc::clone(&state);
        service.spawn(&host.namespace, move |watch| serve_esp(&socket, &shared, watch))?;
        Ok(Server { service, state })
    }

    /// The ESP pairs.
    pub fn children(&self) -> Vec<Child> {
        lock(&self.state).children.values().cloned().collect()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve_udp(socket: &UdpSocket, port: u16, state: &Mutex<State>, watch: &Watch) -> Result<()> {
    let mut buffer = [0; 4096];
    while !watch.stopped() {
        let Some((length, from)) = receive_from(socket, &mut buffer, SERVER_PATIENCE)? else { continue };
        let datagram = &buffer[..length];
        let answer = if port == PORT {
            answer_ike(datagram, from, &mut lock(state)).map(Some)
        } else {
            answer_nat_t(datagram, from, &mut lock(state))
        };
        match answer {
            Ok(Some(answer)) => {
                socket.send_to(&answer, from).with_context(|| format!("could not answer {from}"))?;
            }
            Ok(None) => {}
            Err(error) => watch.fault(format!("UDP port {port} from {from}: {error:#}")),
        }
    }
    Ok(())
}

fn answer_nat_t(datagram: &[u8], from: SocketAddrV4, state: &mut State) -> Result<Option<Vec<u8>>> {
    if datagram == esp::KEEPALIVE {
        return Ok(None);
    }
    match datagram.strip_prefix(&NON_ESP_MARKER) {
        Some(ike) => Ok(Some([NON_ESP_MARKER.to_vec(), answer_ike(ike, from, state)?].concat())),
        None => answer_esp(datagram, *from.ip(), state).map(|answer| Some(answer.0)),
    }
}

fn answer_ike(datagram: &[u8], from: SocketAddrV4, state: &mut State) -> Result<Vec<u8>> {
    let request = Message::decode(datagram)?;
    ensure!(request.flags & RESPONSE == 0, "an IKE response without a request");
    let count = state.associations.len() as u64;
    let association = match state.associations.get_mut(&request.initiator_spi) {
        Some(known) => known,
        None if request.exchange == exchange::SA_INIT => {
            let responder_spi = (0x5e5e_0000_0000_0000 | (count + 1)).to_be_bytes();
            let fresh = Association { responder_spi, client: None, last: (u32::MAX, Vec::new()) };
            state.associations.entry(request.initiator_spi).or_insert(fresh)
        }
        None => {
            bail!("IKE exchange {} of unknown initiator SPI {:02x?}", request.exchange, request.initiator_spi)
        }
    };
    if association.last.0 == request.id {
        return Ok(association.last.1.clone());
    }
    let payloads = match request.exchange {
        exchange::SA_INIT => key_payloads().to_vec(),
        exchange::AUTH => {
            let client = request.identity().context("IKE_AUTH without an identity")?;
            association.client = Some(client.clone());
            let spi = new_child(&request, client, from, &mut state.last_spi, &mut state.children)?;
            vec![identity_payload("server"), sa_payload(spi)]
        }
        exchange::CREATE_CHILD_SA => {
            let client = association.client.clone().context("CREATE_CHILD_SA before IKE_AUTH")?;
            let spi = new_child(&request, client, from, &mut state.last_spi, &mut state.children)?;
            let [_, nonce] = key_payloads();
            vec![sa_payload(spi), nonce]
        }
        exchange::INFORMATIONAL => match request.esp_spi() {
            Some(client_spi) => {
                let client = association.client.as_deref();
                let own = state.children.iter().find(|(_, child)| {
                    child.client_spi == client_spi && Some(child.client.as_str()) == client
                });
                let own = own.map(|(spi, _)| *spi).context("deletes an SPI that was never set up")?;
                state.children.remove(&own);
                vec![delete_payload(own)]
            }
            None => Vec::new(),
        },
        other => bail!("IKE exchange type {other}"),
    };
    let response = Message {
        initiator_spi: request.initiator_spi,
        responder_spi: association.responder_spi,
        exchange: request.exchange,
        flags: RESPONSE,
        id: request.id,
        payloads,
    };
    association.last = (request.id, response.encode());
    Ok(association.last.1.clone())
}

fn new_child(
    request: &Message,
    client: String,
    from: SocketAddrV4,
    last_spi: &mut u32,
    children: &mut HashMap<u32, Child>,
) -> Result<u32> {
    let client_spi = request.esp_spi().context("a request without an ESP SPI")?;
    *last_spi += 1;
    children.insert(*last_spi, Child { client, from, client_spi, received: 0, sent: 0 });
    Ok(*last_spi)
}

fn serve_esp(socket: &RawIp, state: &Mutex<State>, watch: &Watch) -> Result<()> {
    let mut buffer = [0; 2048];
    while !watch.stopped() {
        let Some((from, bytes)) = socket.receive(&mut buffer, SERVER_PATIENCE)? else { continue };
        let answer = answer_esp(bytes, from, &mut lock(state));
        match answer {
            Ok((answer, to)) => socket.send_to(&answer, to)?,
            Err(error) => watch.fault(format!("ESP from {from}: {error:#}")),
        }
    }
    Ok(())
}

/// The answer to an ESP packet and where it goes.
fn answer_esp(bytes: &[u8], from: Ipv4Addr, state: &mut State) -> Result<(Vec<u8>, Ipv4Addr)> {
    let packet = Packet::decode(bytes)?;
    let Some(child) = state.children.get_mut(&packet.spi) else {
        bail!("SPI {:#010x} is unknown", packet.spi)
    };
    ensure!(
        *child.from.ip() == from,
        "SPI {:#010x} belongs to {} at {}",
        packet.spi,
        child.client,
        child.from
    );
    let number = payload::expect(packet.payload, &child.client, "esp up")?;
    child.received += 1;
    child.sent += 1;
    let answer = payload::make(&child.client, "esp down", number, packet.payload.len());
    Ok((Packet { spi: child.client_spi, sequence: child.sent, payload: &answer }.encode(), from))
}
