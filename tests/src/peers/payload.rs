//! Payloads that name their client, what they are, and their number; every byte of them is checked.

use anyhow::{Context, Result, ensure};

const MAGIC: &[u8; 4] = b"PTLB";
/// Magic, length of the name, length of the channel, number.
const FIXED: usize = 4 + 1 + 1 + 4;

/// What a payload said about itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Label {
    /// The client whose payload this is, whichever way it goes.
    pub client: String,
    /// Protocol and direction, such as `pptp up`.
    pub channel: String,
    /// Number within the channel.
    pub number: u32,
}

/// A payload of `size` bytes, or as many as the label needs.
pub fn make(client: &str, channel: &str, number: u32, size: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size);
    bytes.extend(MAGIC);
    bytes.push(client.len() as u8);
    bytes.push(channel.len() as u8);
    bytes.extend(number.to_be_bytes());
    bytes.extend(client.as_bytes());
    bytes.extend(channel.as_bytes());
    while bytes.len() < size {
        bytes.push(filler(number, bytes.len()));
    }
    bytes
}

/// Reads a payload and checks every byte of its filling.
pub fn read(bytes: &[u8]) -> Result<Label> {
    ensure!(
        bytes.len() >= FIXED && bytes.starts_with(MAGIC),
        "a payload of {} bytes is none of ours",
        bytes.len()
    );
    let number = u32::from_be_bytes([bytes[6], bytes[7], bytes[8], bytes[9]]);
    let name_end = FIXED + usize::from(bytes[4]);
    let label_end = name_end + usize::from(bytes[5]);
    let text = |range: std::ops::Range<usize>| -> Result<String> {
        let part = bytes.get(range).context("a payload is cut inside its label")?;
        Ok(String::from_utf8_lossy(part).into_owned())
    };
    let label = Label { client: text(FIXED..name_end)?, channel: text(name_end..label_end)?, number };
    let wrong = (label_end..bytes.len()).find(|&at| bytes[at] != filler(number, at));
    ensure!(wrong.is_none(), "byte {} of payload {label:?} was changed on its way", wrong.unwrap_or(0));
    Ok(label)
}

/// Reads a payload that must belong to this client and channel, and gives its number.
pub fn expect(bytes: &[u8], client: &str, channel: &str) -> Result<u32> {
    let label = read(bytes)?;
    ensure!(
        label.client == client && label.channel == channel,
        "crossed: {client}'s {channel} got {}'s {} number {}",
        label.client,
        label.channel,
        label.number
    );
    Ok(label.number)
}

fn filler(number: u32, at: usize) -> u8 {
    (number.wrapping_mul(31) as usize).wrapping_add(at.wrapping_mul(7)) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_tells_what_it_was_made_of() {
        let label = read(&make("A", "esp up", 7, 100)).unwrap();
        assert_eq!(label, Label { client: "A".into(), channel: "esp up".into(), number: 7 });
    }

    #[test]
    fn a_changed_byte_is_found() {
        let mut bytes = make("A", "esp up", 7, 100);
        bytes[99] ^= 1;
        assert!(read(&bytes).is_err());
    }

    #[test]
    fn another_clients_payload_is_refused() {
        assert!(
            expect(&make("B", "esp up", 7, 100), "A", "esp up")
                .unwrap_err()
                .to_string()
                .starts_with("crossed")
        );
    }
}
