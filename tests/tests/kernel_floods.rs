//! Floods through the real programs by test-run: what is there stays, what is refused leaves nothing, and it adds up.

use std::time::Duration;

use anyhow::{Result, ensure};
use passthrough_common::abi::{Class, Ranges, Reason, Settings, Switch, Ticks};
use passthrough_tests::vectors::frame::{MORE, Packet, echo, raw, tcp, udp};
use passthrough_tests::vectors::kernel::{Before, Kernel, with_kernel};
use passthrough_tests::vectors::play::{Device as _, Fate, Place};
use passthrough_tests::vectors::{A, B, C, E, S, T, bodies, host};
use passthrough_tests::wait;

const SYN: u16 = 0x02;
const RST: u16 = 0x04;
const ACK: u16 = 0x10;

/// Inside hosts of a flood: 192.168.1.32 and so on.
const CROWD: u32 = 0xc0a8_0120;

/// Each load of the programs takes seconds: so one test sends all floods.
///
/// Proves: C14, E18, F3, G4, O25, U14, Z23, Z34, Z38, Z39, Z54, Z63.
#[test]
fn floods_leave_nothing_behind_and_hurt_nobody() {
    with_kernel(passthrough_user::loader::OBJECT, |kernel| {
        ensure!(kernel.refused.is_empty(), "{:?}", kernel.refused);
        for flood in [
            a_full_table_refuses_the_newcomer_and_evicts_nobody,
            a_full_block_of_ports_is_the_hosts_again_once_its_sessions_are_over,
            a_scan_of_every_port_is_dropped_and_leaves_nothing,
            orphans_resets_and_spis_hurt_nobody,
            switches_end_as_they_were_set_and_every_packet_is_counted_once,
        ] {
            kernel.renew()?;
            let mut settings = enabled();
            kernel.set(&settings);
            kernel.counting = false;
            kernel.before = Before::Nothing;
            flood(kernel, &mut settings)?;
        }
        Ok(())
    })
    .unwrap_or_else(|error| panic!("{error:#}"));
}

/// Settings with every switch on.
fn enabled() -> Settings {
    let mut settings = Settings::DEFAULT;
    settings.wan_ifindex = host::WAN;
    settings.pool = Ranges::one(E);
    for class in Class::SWITCHED {
        settings.switches[class as usize] = Switch::Full as u8;
    }
    settings
}

/// What becomes of a packet.
fn fate(kernel: &mut Kernel, place: Place, packet: &Packet) -> Result<Fate> {
    Ok(kernel.run(place, &packet.frame())?.fate)
}

/// Fails unless the session of A from this port to S works both ways, by its own outside port.
fn works(kernel: &mut Kernel, port: u16) -> Result<()> {
    let out = kernel.run(Place::Out, &udp((A, port), (S, 53), b"there").frame())?;
    ensure!(out.frame == udp((E, port), (S, 53), b"there").frame(), "port {port} does not leave as it did");
    let back = kernel.run(Place::In, &udp((S, 53), (E, port), b"back").frame())?;
    let home = udp((S, 53), (A, port), b"back").hop().frame();
    ensure!(
        back.fate == Fate::Redirected && back.frame == home,
        "port {port} does not come back: {:?}",
        back.fate
    );
    Ok(())
}

fn a_full_table_refuses_the_newcomer_and_evicts_nobody(kernel: &mut Kernel, _: &mut Settings) -> Result<()> {
    for port in 5000..5050 {
        works(kernel, port)?;
    }
    let mut refused = 0;
    for flow in 0..6000u32 {
        let source = (CROWD + flow % 200, 2000 + (flow / 200) as u16);
        let fate = fate(kernel, Place::Out, &udp(source, (T, 53), b"flood"))?;
        refused += usize::from(fate == Fate::Dropped);
    }
    ensure!(refused > 3000, "only {refused} of 6000 were refused by tables of 4096");
    for port in 5000..5050 {
        works(kernel, port)?;
    }
    // Mapping and filtering are what they were: T has not been asked by this endpoint.
    let other = fate(kernel, Place::In, &udp((T, 53), (E, 5000), b"x"))?;
    ensure!(other == Fate::Dropped, "a full table lets {other:?} what it would filter");
    let counted = kernel.recount()?;
    let full = counted.iter().filter(|(_, _, reason)| *reason == Reason::TableFull).count();
    ensure!(full == refused, "{full} counted as refused by a full table, of {refused}");
    // What is over makes room, once a second, and nothing else does.
    kernel.wait(Ticks::from_secs(301));
    let newcomer = udp((B, 6000), (S, 53), b"new");
    wait::until(Duration::from_secs(20), "what is over makes room", || {
        fate(kernel, Place::Out, &newcomer).is_ok_and(|fate| fate == Fate::Passed)
    })
}

fn a_full_block_of_ports_is_the_hosts_again_once_its_sessions_are_over(
    kernel: &mut Kernel,
    settings: &mut Settings,
) -> Result<()> {
    settings.ports = [[2000, 2003]; 2];
    (settings.block_size, settings.blocks, settings.subscribers) = (4, 1, Ranges::one(A));
    kernel.set(settings);
    for port in 2000..2004 {
        works(kernel, port)?;
    }
    let newcomer = udp((A, 5000), (S, 53), b"new");
    // The first of them looks for sessions that are over, and finds none.
    for _ in 0..2 {
        ensure!(fate(kernel, Place::Out, &newcomer)? == Fate::Dropped, "a block of four has a fifth port");
    }
    kernel.wait(Ticks::from_secs(301));
    wait::until(Duration::from_secs(20), "what is over makes room in the block", || {
        fate(kernel, Place::Out, &newcomer).is_ok_and(|fate| fate == Fate::Passed)
    })
}

fn a_scan_of_every_port_is_dropped_and_leaves_nothing(kernel: &mut Kernel, _: &mut Settings) -> Result<()> {
    works(kernel, 5000)?;
    let before = kernel.sizes();
    let mut passed = 0;
    for port in 1..=u16::MAX {
        for probe in [udp((T, 40_000), (E, port), b"?"), tcp((T, 40_000), (E, port), SYN, b"")] {
            passed += usize::from(fate(kernel, Place::In, &probe)? != Fate::Dropped);
        }
    }
    ensure!(passed == 0, "{passed} of 131,070 probes were not dropped");
    ensure!(kernel.sizes() == before, "{:?} became {:?}", before, kernel.sizes());
    works(kernel, 5000)
}

fn orphans_resets_and_spis_hurt_nobody(kernel: &mut Kernel, _: &mut Settings) -> Result<()> {
    works(kernel, 5000)?;
    let (there, back) =
        (tcp((A, 6000), (S, 80), ACK, b"x"), tcp((S, 80), (E, 6000), ACK, b"y").numbered(2000, 1000));
    let pair = [raw(A, S, 50, &bodies::esp(0x1001, 1)), raw(S, E, 50, &bodies::esp(0x2001, 1))];
    for packet in [&there, &back, &pair[0], &pair[1], &pair[0]] {
        let place = if packet.source == A { Place::Out } else { Place::In };
        ensure!(fate(kernel, place, packet)? != Fate::Dropped, "{packet:?}");
    }
    let before = kernel.sizes();
    for identification in 0..=u16::MAX {
        for (source, destination, place) in [(A, S, Place::Out), (S, E, Place::In)] {
            let orphan = raw(source, destination, 17, &[7; 16]).fragment(2).identified(identification);
            ensure!(fate(kernel, place, &orphan)? == Fate::Dropped, "an orphan passes");
        }
    }
    ensure!(kernel.sizes() == before, "orphans leave something: {:?}", kernel.sizes());
    let mut number = 1u32;
    for _ in 0..100_000 {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Beyond what the host has acknowledged by more than a window.
        let reset = tcp((S, 80), (E, 6000), RST, b"").numbered(2000 + (1 << 21) + number % (1 << 31), 0);
        fate(kernel, Place::In, &reset)?;
    }
    kernel.wait(Ticks::from_secs(1000));
    ensure!(fate(kernel, Place::In, &back)? == Fate::Redirected, "RSTs at random have ended a connection");
    for index in 0..20_000u32 {
        fate(kernel, Place::In, &raw(S, E, 50, &bodies::esp(0x10_0000 + index, 500)))?;
    }
    for index in 0..20_000u32 {
        fate(kernel, Place::Out, &raw(B, S, 50, &bodies::esp(0x20_0000 + index, 1)))?;
    }
    let grown = kernel.sizes().sessions - before.sessions;
    ensure!(grown <= 400, "{grown} entries for SPIs that nobody has");
    for (packet, place) in [(&pair[0], Place::Out), (&pair[1], Place::In)] {
        ensure!(fate(kernel, place, packet)? != Fate::Dropped, "A's ESP is lost in a flood");
    }
    // What A has learned is still A's.
    let home = kernel.run(Place::In, &pair[1].frame())?.frame;
    ensure!(home == pair[1].clone().to(A).hop().frame(), "another has A's SPI");
    Ok(())
}

fn switches_end_as_they_were_set_and_every_packet_is_counted_once(
    kernel: &mut Kernel,
    settings: &mut Settings,
) -> Result<()> {
    let classes = [Class::Pptp, Class::Esp, Class::NatT, Class::Gre];
    let mut sent = 0;
    for before in [Before::Nothing, Before::Xdp] {
        kernel.before = before;
        for round in 0..2000u32 {
            let class = classes[(round / 2) as usize % classes.len()];
            settings.switches[class as usize] = if round % 2 == 0 { Switch::Off } else { Switch::Full } as u8;
            settings.generations[class as usize] =
                settings.generations[class as usize].wrapping_add((round % 2) as u8);
            settings.changes += 1;
            kernel.set(settings);
            for packet in &storm(round) {
                let place = if packet.source == S { Place::In } else { Place::Out };
                kernel.run(place, &packet.frame())?;
                sent += 1;
            }
        }
    }
    let counted = kernel.recount()?.len();
    ensure!(counted == sent, "{counted} counted of {sent} sent");
    for class in classes {
        settings.switches[class as usize] = Switch::Off as u8;
    }
    settings.changes += 1;
    kernel.set(settings);
    for packet in storm(7).iter().filter(|packet| packet.protocol() != 1) {
        let place = if packet.source == S { Place::In } else { Place::Out };
        ensure!(fate(kernel, place, packet)? == Fate::Dropped, "off, and yet it passes: {packet:?}");
    }
    works(kernel, 5000)
}

/// A packet of each class that is switched, orphans and first fragments, a call, and a ping that is nobody's business.
fn storm(round: u32) -> Vec<Packet> {
    let port = 2000 + (round % 40) as u16;
    let control = bodies::pptp(7, round as u16, 0, 0);
    vec![
        tcp((C, port), (S, 1723), SYN, b"").numbered(round, 0),
        tcp((C, port), (S, 1723), ACK, &control).numbered(round + 1, 1),
        raw(C, S, 47, &bodies::gre(round as u16, 1, None, b"x")),
        raw(S, E, 47, &bodies::gre(round as u16, 1, None, b"x")),
        raw(A, S, 50, &bodies::esp(0x1001, round)),
        raw(S, E, 50, &bodies::esp(0x2001, round)),
        udp((A, 4500), (S, 4500), b"x"),
        udp((S, 4500), (E, 4500), b"x"),
        raw(B, S, 47, &bodies::gre_v0(Some(1), b"x")),
        raw(A, S, 50, &[7; 16]).fragment(2).identified(round as u16),
        udp((A, 4500), (S, 4500), &[7; 24]).fragment(MORE).identified(round as u16),
        echo(8, A, S, 7),
    ]
}
