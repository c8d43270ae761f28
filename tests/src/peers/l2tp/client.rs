//! An L2TP client (LAC) at UDP source port 1701: one tunnel with one session.

use std::{
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use super::{Control, Data, Length, Message, PORT, attribute, kind};
use crate::{
    peers::{
        Peer, Round, Who, payload,
        socket::{self, receive_from},
    },
    wait,
};

/// Size of a data message's payload, in bytes.
const SIZE: usize = 400;
/// When a control message is sent again (RFC 2661 section 5.8 says a second; the lab is faster).
const RESEND: Duration = Duration::from_millis(500);

/// A client with a tunnel and a session.
#[derive(Debug)]
pub struct Client {
    name: String,
    socket: UdpSocket,
    tunnel_id: u16,
    session_id: u16,
    server_tunnel_id: u16,
    server_session_id: u16,
    ns: u16,
    nr: u16,
    number: u32,
}

impl Client {
    /// Sets a tunnel with this ID, and a session in it, up.
    pub fn connect(who: &Who, server: Ipv4Addr, tunnel_id: u16, patience: Duration) -> Result<Client> {
        let deadline = Instant::now() + patience;
        let mut client = Client {
            name: who.name.clone(),
            socket: socket::udp(who.address, PORT, Some(SocketAddrV4::new(server, PORT)))?,
            tunnel_id,
            session_id: tunnel_id ^ 0x0101,
            server_tunnel_id: 0,
            server_session_id: 0,
            ns: 0,
            nr: 0,
            number: 0,
        };
        let reply = client.request(0, kind::SCCRQ, client.start_attributes(), Some(kind::SCCRP), deadline)?;
        let assigned = reply.number(attribute::TUNNEL_ID);
        client.server_tunnel_id = assigned.context("an SCCRP without a tunnel ID")?;
        client.request(0, kind::SCCCN, Vec::new(), None, deadline)?;
        let session = client.session_id.to_be_bytes().to_vec();
        let call = vec![(attribute::SESSION_ID, session), (attribute::SERIAL, vec![0, 0, 0, 1])];
        let reply = client.request(0, kind::ICRQ, call, Some(kind::ICRP), deadline)?;
        let assigned = reply.number(attribute::SESSION_ID);
        client.server_session_id = assigned.context("an ICRP without a session ID")?;
        let speed = vec![
            (attribute::SPEED, 100_000_000_u32.to_be_bytes().to_vec()),
            (attribute::FRAMING_TYPE, vec![0, 0, 0, 1]),
        ];
        client.request(client.server_session_id, kind::ICCN, speed, None, deadline)?;
        Ok(client)
    }

    /// HELLO and its acknowledgement: the keepalive.
    pub fn hello(&mut self, patience: Duration) -> Result<()> {
        self.request(0, kind::HELLO, Vec::new(), None, Instant::now() + patience).map(drop)
    }

    /// Ends the tunnel.
    pub fn stop(&mut self, patience: Duration) -> Result<()> {
        let attributes = vec![
            (attribute::TUNNEL_ID, self.tunnel_id.to_be_bytes().to_vec()),
            (attribute::RESULT_CODE, vec![0, 1]),
        ];
        self.request(0, kind::STOP_CCN, attributes, None, Instant::now() + patience).map(drop)
    }

    fn start_attributes(&self) -> Vec<(u16, Vec<u8>)> {
        vec![
            (attribute::PROTOCOL_VERSION, vec![1, 0]),
            (attribute::HOST_NAME, self.name.clone().into_bytes()),
            (attribute::FRAMING, vec![0, 0, 0, 3]),
            (attribute::TUNNEL_ID, self.tunnel_id.to_be_bytes().to_vec()),
            (attribute::WINDOW, vec![0, 8]),
        ]
    }

    /// Sends a control message until it is answered: by a message of type `answer`, or by any acknowledgement.
    fn request(
        &mut self,
        session_id: u16,
        kind: u16,
        attributes: Vec<(u16, Vec<u8>)>,
        answer: Option<u16>,
        deadline: Instant,
    ) -> Result<Control> {
        let mut all = vec![(attribute::MESSAGE_TYPE, kind.to_be_bytes().to_vec())];
        all.extend(attributes);
        let request = Control {
            tunnel_id: self.server_tunnel_id,
            session_id,
            ns: self.ns,
            nr: self.nr,
            attributes: all,
        };
        self.ns += 1;
        let bytes = request.encode();
        let mut buffer = [0; 2048];
        while Instant::now() < deadline {
            socket::send(&self.socket, &bytes)?;
            let resend = (Instant::now() + RESEND).min(deadline);
            while let Some((length, _)) = receive_from(&self.socket, &mut buffer, wait::left(resend))? {
                let Message::Control(control) = Message::decode(&buffer[..length])? else { continue };
                self.check_tunnel(control.tunnel_id)?;
                let acknowledged = control.nr == self.ns;
                if control.kind().is_some() && control.ns == self.nr {
                    self.nr += 1;
                    let (tunnel_id, ns, nr) = (self.server_tunnel_id, self.ns, self.nr);
                    let tunnel_id = control.number(attribute::TUNNEL_ID).unwrap_or(tunnel_id);
                    let bare = Control { tunnel_id, session_id: 0, ns, nr, attributes: Vec::new() };
                    socket::send(&self.socket, &bare.encode())?;
                }
                if acknowledged && (answer.is_none() || control.kind() == answer) {
                    return Ok(control);
                }
            }
        }
        bail!("no answer to L2TP control message {kind} of {} in time", self.name)
    }

    fn check_tunnel(&self, tunnel_id: u16) -> Result<()> {
        ensure!(
            tunnel_id == self.tunnel_id,
            "crossed: {} got L2TP of tunnel {tunnel_id}, its own is {}",
            self.name,
            self.tunnel_id
        );
        Ok(())
    }
}

impl Peer for Client {
    fn round(&mut self, patience: Duration) -> Result<Round> {
        self.number += 1;
        let payload = payload::make(&self.name, "l2tp up", self.number, SIZE);
        let length = if self.number.is_multiple_of(2) { Length::Shown } else { Length::Absent };
        let data = Data {
            length,
            tunnel_id: self.server_tunnel_id,
            session_id: self.server_session_id,
            payload: &payload,
        };
        socket::send(&self.socket, &data.encode())?;
        let deadline = Instant::now() + patience;
        let mut buffer = [0; 2048];
        while let Some((length, _)) = receive_from(&self.socket, &mut buffer, wait::left(deadline))? {
            let Message::Data(data) = Message::decode(&buffer[..length])? else { continue };
            self.check_tunnel(data.tunnel_id)?;
            ensure!(
                data.session_id == self.session_id,
                "crossed: {} got session {}",
                self.name,
                data.session_id
            );
            if payload::expect(data.payload, &self.name, "l2tp down")? == self.number {
                return Ok(Round::Answered);
            }
        }
        Ok(Round::Lost)
    }
}
