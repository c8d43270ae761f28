//! A PPTP client (PNS): one control connection, its calls one after the other, and data in enhanced GRE.

use std::{
    io::Write,
    net::{Ipv4Addr, SocketAddrV4, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use super::{Inbox, Incoming, Message, PORT, kind};
use crate::{
    peers::{
        Peer, Round, Who,
        gre::{self, Enhanced},
        payload,
        socket::{self, RawIp},
    },
    wait,
};

/// Size of a data packet's payload, in bytes.
const SIZE: usize = 400;

/// A connected client.
#[derive(Debug)]
pub struct Client {
    name: String,
    control: TcpStream,
    inbox: Inbox,
    data: RawIp,
    call_id: u16,
    server_call_id: u16,
    sequence: u32,
    received: Option<u32>,
    number: u32,
    /// Most bytes of a control message that are written at once.
    segment: usize,
}

impl Client {
    /// Opens the control connection and exchanges the start messages. The data socket is opened first, as GRE may
    /// overtake the reply that announces it (row P5).
    pub fn connect(who: &Who, server: Ipv4Addr, patience: Duration) -> Result<Client> {
        let deadline = Instant::now() + patience;
        let data = RawIp::open(gre::PROTOCOL, who.address, Some(server))?;
        let control = socket::tcp(who.address, SocketAddrV4::new(server, PORT), patience)?;
        let mut client = Client {
            name: who.name.clone(),
            control,
            inbox: Inbox::default(),
            data,
            call_id: 0,
            server_call_id: 0,
            sequence: 0,
            received: None,
            number: 0,
            segment: usize::MAX,
        };
        client.send(&Message::start(kind::START_REQUEST, &who.name))?;
        let reply = client.expect(kind::START_REPLY, deadline)?;
        ensure!(reply.at16(14) >> 8 == 1, "the server refused with result {}", reply.at16(14) >> 8);
        Ok(client)
    }

    /// Places a call with this call ID.
    pub fn call(&mut self, call_id: u16, patience: Duration) -> Result<()> {
        let request = Message::outgoing_call_request(call_id, self.number as u16, &self.name);
        self.send(&request)?;
        let reply = self.expect(kind::OUTGOING_CALL_REPLY, Instant::now() + patience)?;
        ensure!(reply.at16(14) == call_id, "call ID {call_id} was answered as {}", reply.at16(14));
        ensure!(reply.at16(16) >> 8 == 1, "the call was refused with result {}", reply.at16(16) >> 8);
        (self.call_id, self.server_call_id) = (call_id, reply.at16(12));
        (self.sequence, self.received) = (0, None);
        Ok(())
    }

    /// From now on control messages go out in segments of this many bytes.
    pub fn split_into(&mut self, segment: usize) {
        self.segment = segment;
    }

    /// Echo-Request and Echo-Reply (section 2.5): the keepalive.
    pub fn echo(&mut self, patience: Duration) -> Result<()> {
        self.number += 1;
        self.send(&Message::echo_request(self.number))?;
        let reply = self.expect(kind::ECHO_REPLY, Instant::now() + patience)?;
        ensure!(reply.at32(12) == self.number, "echo {} was answered as {}", self.number, reply.at32(12));
        Ok(())
    }

    /// Clears the call; the server answers with a disconnect that names its own call ID.
    pub fn clear(&mut self, patience: Duration) -> Result<()> {
        self.send(&Message::call_clear_request(self.call_id))?;
        let notify = self.expect(kind::CALL_DISCONNECT_NOTIFY, Instant::now() + patience)?;
        ensure!(
            notify.at16(12) == self.server_call_id,
            "a disconnect of call {} instead of {}",
            notify.at16(12),
            self.server_call_id
        );
        Ok(())
    }

    /// Stops the control connection.
    pub fn stop(&mut self, patience: Duration) -> Result<()> {
        self.send(&Message::stop(kind::STOP_REQUEST))?;
        self.expect(kind::STOP_REPLY, Instant::now() + patience).map(drop)
    }

    fn send(&mut self, message: &Message) -> Result<()> {
        for segment in message.bytes().chunks(self.segment) {
            self.control.write_all(segment).context("could not write to the PPTP control connection")?;
        }
        Ok(())
    }

    fn expect(&mut self, kind: u16, deadline: Instant) -> Result<Message> {
        match self.inbox.next(&mut self.control, wait::left(deadline))? {
            Incoming::Message(message) if message.kind() == kind => Ok(message),
            Incoming::Message(message) => bail!("PPTP control type {} instead of {kind}", message.kind()),
            Incoming::Nothing => bail!("no PPTP control message of type {kind} in time"),
            Incoming::Closed => bail!("the PPTP control connection was closed"),
        }
    }
}

impl Peer for Client {
    fn round(&mut self, patience: Duration) -> Result<Round> {
        self.number += 1;
        let payload = payload::make(&self.name, "pptp up", self.number, SIZE);
        let packet = Enhanced {
            call_id: self.server_call_id,
            sequence: Some(self.sequence),
            acknowledgement: self.received,
            payload: &payload,
        };
        self.data.send(&packet.encode())?;
        self.sequence += 1;
        let deadline = Instant::now() + patience;
        let mut buffer = [0; 2048];
        while let Some((_, bytes)) = self.data.receive(&mut buffer, wait::left(deadline))? {
            let Some(packet) = Enhanced::decode(bytes)? else { continue };
            ensure!(
                packet.call_id == self.call_id,
                "crossed: {}'s call {} got GRE of call {}",
                self.name,
                self.call_id,
                packet.call_id
            );
            let Some(sequence) = packet.sequence else { continue };
            let number = payload::expect(packet.payload, &self.name, "pptp down")?;
            self.received = Some(sequence);
            if number == self.number {
                return Ok(Round::Answered);
            }
        }
        Ok(Round::Lost)
    }
}
