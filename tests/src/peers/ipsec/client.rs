//! An IPsec client: sets an IKE SA and an ESP pair up, moves data, rekeys, deletes.

use std::{
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use super::{
    INITIATOR, Message, NAT_T_PORT, NON_ESP_MARKER, PORT, RESPONSE, delete_payload, exchange,
    identity_payload, key_payloads, sa_payload,
};
use crate::{
    peers::{
        Peer, Round, Who,
        esp::{self, Packet},
        payload,
        socket::{self, RawIp, receive_from},
    },
    wait,
};

/// Size of a data packet's payload, in bytes.
const SIZE: usize = 400;
/// First retransmission of a request, in milliseconds; each client adds up to as much again, so that clients that
/// wait for each other do not stay in step.
const RESEND_MS: u64 = 400;

/// How IKE and ESP travel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// IKE on UDP port 500 and ESP as IP protocol 50: the client does not know of any NAT.
    Plain,
    /// IKE on port 500, and from IKE_AUTH on everything on port 4500 (RFC 7296 section 2.23).
    Float,
    /// Everything on port 4500 from the first packet on.
    NatT,
}

/// A client with an IKE SA and an ESP pair.
#[derive(Debug)]
pub struct Client {
    name: String,
    transport: Transport,
    ike: UdpSocket,
    nat_t: Option<UdpSocket>,
    esp: Option<RawIp>,
    initiator_spi: [u8; 8],
    responder_spi: [u8; 8],
    next_id: u32,
    resend: Duration,
    /// What this client chose and what the server chose.
    inbound_spi: u32,
    outbound_spi: u32,
    /// Inbound SPIs before the last rekeying, which the server may still use.
    old_inbound: Vec<u32>,
    sequence: u32,
    number: u32,
}

impl Client {
    /// IKE_SA_INIT, IKE_AUTH, and ESP until the first packet is answered.
    pub fn connect(who: &Who, server: Ipv4Addr, transport: Transport, patience: Duration) -> Result<Client> {
        let deadline = Instant::now() + patience;
        let to = |port| SocketAddrV4::new(server, port);
        let first = if transport == Transport::NatT { NAT_T_PORT } else { PORT };
        let ike = socket::udp(who.address, first, Some(to(first)))?;
        let nat_t = match transport {
            Transport::Float => Some(socket::udp(who.address, NAT_T_PORT, Some(to(NAT_T_PORT)))?),
            Transport::Plain | Transport::NatT => None,
        };
        let esp = match transport {
            Transport::Plain => Some(RawIp::open(esp::PROTOCOL, who.address, Some(server))?),
            Transport::Float | Transport::NatT => None,
        };
        let seed = who.seed();
        let mut client = Client {
            name: who.name.clone(),
            transport,
            ike,
            nat_t,
            esp,
            initiator_spi: seed.to_be_bytes(),
            responder_spi: [0; 8],
            next_id: 0,
            resend: Duration::from_millis(RESEND_MS + seed % RESEND_MS),
            inbound_spi: 0,
            outbound_spi: 0,
            old_inbound: Vec::new(),
            sequence: 0,
            number: 0,
        };
        let response = client.request(exchange::SA_INIT, key_payloads().to_vec(), deadline)?;
        client.responder_spi = response.responder_spi;
        if let Some(nat_t) = client.nat_t.take() {
            client.ike = nat_t;
        }
        client.inbound_spi = who.spi();
        let payloads = vec![identity_payload(&who.name), sa_payload(client.inbound_spi)];
        let response = client.request(exchange::AUTH, payloads, deadline)?;
        client.outbound_spi = response.esp_spi().context("an IKE_AUTH response without an ESP SPI")?;
        client.first_answer(deadline)?;
        Ok(client)
    }

    /// A new ESP pair by CREATE_CHILD_SA; the old one lives on until [`Client::delete_old`] (RFC 7296 section 2.8).
    pub fn rekey(&mut self, inbound_spi: u32, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        let [_, nonce] = key_payloads();
        let response =
            self.request(exchange::CREATE_CHILD_SA, vec![sa_payload(inbound_spi), nonce], deadline)?;
        self.old_inbound.push(self.inbound_spi);
        self.inbound_spi = inbound_spi;
        self.outbound_spi = response.esp_spi().context("a CREATE_CHILD_SA response without an ESP SPI")?;
        self.sequence = 0;
        self.first_answer(deadline)
    }

    /// Deletes what a rekeying has replaced.
    pub fn delete_old(&mut self, patience: Duration) -> Result<()> {
        for spi in std::mem::take(&mut self.old_inbound) {
            self.request(exchange::INFORMATIONAL, vec![delete_payload(spi)], Instant::now() + patience)?;
        }
        Ok(())
    }

    /// An empty INFORMATIONAL exchange: is the server still there?
    pub fn probe(&mut self, patience: Duration) -> Result<()> {
        self.request(exchange::INFORMATIONAL, Vec::new(), Instant::now() + patience).map(drop)
    }

    /// A keepalive on port 4500, which nobody answers.
    pub fn keepalive(&self) -> Result<()> {
        ensure!(self.on_nat_t_port(), "keepalives are for port {NAT_T_PORT} alone");
        socket::send(&self.ike, &esp::KEEPALIVE)
    }

    /// The gateway may hold a newcomer's first ESP while it learns another client's SPI, so this one is sent again.
    fn first_answer(&mut self, deadline: Instant) -> Result<()> {
        while Instant::now() < deadline {
            if let Round::Answered = self.round(self.resend.min(wait::left(deadline)))? {
                return Ok(());
            }
        }
        bail!("no ESP came back to {} on SPI {:#010x}", self.name, self.inbound_spi)
    }

    fn on_nat_t_port(&self) -> bool {
        match self.transport {
            Transport::Plain => false,
            Transport::NatT => true,
            Transport::Float => self.nat_t.is_none(),
        }
    }

    /// Sends a request until it is answered.
    fn request(&mut self, exchange: u8, payloads: Vec<(u8, Vec<u8>)>, deadline: Instant) -> Result<Message> {
        let id = self.next_id;
        self.next_id += 1;
        let request = Message {
            initiator_spi: self.initiator_spi,
            responder_spi: self.responder_spi,
            exchange,
            flags: INITIATOR,
            id,
            payloads,
        };
        let mut bytes = if self.on_nat_t_port() { NON_ESP_MARKER.to_vec() } else { Vec::new() };
        let marker = bytes.len();
        bytes.extend(request.encode());
        let mut buffer = [0; 2048];
        while Instant::now() < deadline {
            socket::send(&self.ike, &bytes)?;
            let resend = (Instant::now() + self.resend).min(deadline);
            while let Some((length, _)) = receive_from(&self.ike, &mut buffer, wait::left(resend))? {
                let datagram = &buffer[..length];
                if marker > 0 && !datagram.starts_with(&NON_ESP_MARKER) {
                    continue;
                }
                let answer = Message::decode(&datagram[marker..])?;
                ensure!(
                    answer.initiator_spi == self.initiator_spi,
                    "crossed: {} got IKE of initiator SPI {:02x?}",
                    self.name,
                    answer.initiator_spi
                );
                if answer.flags & RESPONSE != 0 && answer.exchange == exchange && answer.id == id {
                    return Ok(answer);
                }
            }
        }
        bail!("no answer to IKE exchange {exchange} of {} in time", self.name)
    }

    fn send_esp(&self, packet: &[u8]) -> Result<()> {
        match &self.esp {
            Some(esp) => esp.send(packet),
            None => socket::send(&self.ike, packet),
        }
    }

    /// Waits for an ESP packet; the bytes are a copy, since IKE may come in between.
    fn receive_esp(&self, deadline: Instant) -> Result<Option<Vec<u8>>> {
        let mut buffer = [0; 2048];
        if let Some(esp) = &self.esp {
            let packet = esp.receive(&mut buffer, wait::left(deadline))?;
            return Ok(packet.map(|(_, bytes)| bytes.to_vec()));
        }
        while let Some((length, _)) = receive_from(&self.ike, &mut buffer, wait::left(deadline))? {
            if !buffer[..length].starts_with(&NON_ESP_MARKER) && length > esp::KEEPALIVE.len() {
                return Ok(Some(buffer[..length].to_vec()));
            }
        }
        Ok(None)
    }
}

impl Peer for Client {
    fn round(&mut self, patience: Duration) -> Result<Round> {
        self.number += 1;
        self.sequence += 1;
        let payload = payload::make(&self.name, "esp up", self.number, SIZE);
        let packet = Packet { spi: self.outbound_spi, sequence: self.sequence, payload: &payload };
        self.send_esp(&packet.encode())?;
        let deadline = Instant::now() + patience;
        while let Some(bytes) = self.receive_esp(deadline)? {
            let packet = Packet::decode(&bytes)?;
            ensure!(
                packet.spi == self.inbound_spi || self.old_inbound.contains(&packet.spi),
                "crossed: {} got ESP of SPI {:#010x}, its own is {:#010x}",
                self.name,
                packet.spi,
                self.inbound_spi
            );
            if payload::expect(packet.payload, &self.name, "esp down")? == self.number {
                return Ok(Round::Answered);
            }
        }
        Ok(Round::Lost)
    }
}
