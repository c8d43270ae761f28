//! Bad input to the command: one clear line, a failing exit code, and nothing left half attached.

use std::{fs, time::Duration};

use anyhow::{Context, Result, ensure};
use passthrough_tests::{
    lab::{Lab, Plan, SERVER_S},
    peers::{self, Protocol, l2tp::SourcePort, site::Site},
};

fn small_lab() -> Result<Lab> {
    Lab::planned(&Plan { clients: 1, ..Plan::default() })
}

/// Proves: U10.
#[test]
fn words_that_make_no_sense_are_refused_in_one_line_and_leave_nothing() -> Result<()> {
    let lab = small_lab()?;
    lab.gateway.namespace.ip("link add bare0 type bridge\nlink set bare0 up\n\
         link add twin0 type bridge\nlink set twin0 up\naddr add 203.0.113.77/24 dev twin0\n")?;
    for (command, word) in [
        ("up", "--wan"),
        ("up --wan nosuch0", "nosuch0"),
        ("up --wan wan0 --lan nosuch0", "nosuch0"),
        ("up --wan wan0 --lan wan0", "wan0"),
        ("up --wan bare0 --lan br0", "bare0"),
        ("up --wan wan0 --lan twin0", "203.0.113"),
        ("up --wan wan0 --lan br0 --enable ipsek", "ipsek"),
        ("up --wan wan0 --lan br0 --mode fast", "fast"),
        ("up --wan wan0 --lan br0 --l2tp-port drop", "drop"),
        ("up --wan wan0 --lan br0 --address 203.0.113", "203.0.113"),
        ("up --wan wan0 --lan br0 --address 203.0.113.9/29", "203.0.113.8/29"),
        ("up --wan wan0 --lan br0 --pooling hard", "hard"),
        ("up --wan wan0 --lan br0 --ports 9-2", "9-2"),
        ("up --wan wan0 --lan br0 --port-block 64", "--subscribers"),
        ("up --wan wan0 --lan br0 --port-block 64 --subscribers 192.168.0.0/21", "1008 blocks"),
        ("up --wan wan0 --lan br0 --ipsec-addresses all", "each"),
        ("up --wan wan0 --lan br0 --host-sessions 4000000000", "4000000000"),
        ("up --wan wan0 --lan br0 --host-connections 4000000000", "4000000000"),
        ("up --wan wan0 --lan br0 --host-servers 4000000000", "4000000000"),
        ("up --wan wan0 --lan br0 --host-rate many", "many"),
        ("up --config /nonexistent/passthrough.toml", "/nonexistent/passthrough.toml"),
        ("enable ipsek", "ipsek"),
    ] {
        let line = lab.cli.run(command)?.refusal().with_context(|| format!("passthrough {command}"))?;
        ensure!(line.contains(word), "`{command}` is refused without a word of {word}: {line}");
        lab.cli.assert_nothing_attached().with_context(|| format!("after `passthrough {command}`"))?;
    }
    Ok(())
}

#[test]
fn a_broken_configuration_file_is_refused_with_its_line() -> Result<()> {
    let lab = small_lab()?;
    let path = std::env::temp_dir().join(format!("{}.toml", lab.gateway.namespace.name()));
    fs::write(&path, "wan = 'wan0'\nlans = ['br0']\n")?;
    let refused =
        lab.cli.run(&format!("up --config {}", path.display())).and_then(|outcome| outcome.refusal());
    fs::remove_file(&path)?;
    let line = refused?;
    ensure!(line.contains("line 2"), "the line is not named: {line}");
    lab.cli.assert_nothing_attached()
}

#[test]
fn commands_that_need_a_running_gateway_say_so() -> Result<()> {
    let lab = small_lab()?;
    for command in [
        "enable pptp",
        "disable pptp",
        "sessions",
        "stats",
        "flush",
        "forward list",
        "forward add tcp 80 192.168.1.10",
    ] {
        let line = lab.cli.run(command)?.refusal().with_context(|| format!("passthrough {command}"))?;
        ensure!(line.contains("passthrough up"), "`{command}` does not name the fix: {line}");
    }
    Ok(())
}

#[test]
fn a_refused_command_leaves_a_running_gateway_as_it_was() -> Result<()> {
    let lab = small_lab()?;
    let _site = Site::start(&lab.s, SourcePort::Any)?;
    lab.cli.up("pptp")?;
    for command in ["up --wan nosuch0", "up --wan wan0 --lan nosuch0", "enable ipsek", "disable pptp,ipsek"] {
        lab.cli.run(command)?.refusal().with_context(|| format!("passthrough {command}"))?;
        peers::open(Protocol::Pptp, &lab.clients[0], SERVER_S, Duration::from_secs(5))
            .with_context(|| format!("after `passthrough {command}`"))?;
    }
    Ok(())
}

#[test]
fn a_user_without_privileges_is_told_what_is_missing() -> Result<()> {
    let lab = small_lab()?;
    let binary = lab.cli.binary().to_string_lossy().into_owned();
    let arguments =
        ["--bounding-set=-all", "--inh-caps=-all", &binary, "up", "--wan", "wan0", "--lan", "br0"];
    let error = lab.gateway.namespace.run("setpriv", &arguments).expect_err("succeeded without privileges");
    ensure!(format!("{error:#}").to_lowercase().contains("root"), "{error:#}");
    lab.cli.assert_nothing_attached()
}

#[test]
fn what_is_shown_is_shown_for_machines_too() -> Result<()> {
    let lab = small_lab()?;
    let _site = Site::start(&lab.s, SourcePort::Any)?;
    lab.cli.up("pptp")?;
    let _call = peers::open(Protocol::Pptp, &lab.clients[0], SERVER_S, Duration::from_secs(5))?;
    for command in ["status --json", "sessions --json", "stats --json", "check --json", "forward list --json"]
    {
        let shown = lab.cli.run(command)?.stdout;
        ensure!(shown.starts_with(['{', '[']), "`{command}` shows no JSON: {shown}");
    }
    let sessions = lab.cli.succeed("sessions --protocol pptp")?;
    ensure!(sessions.contains("192.168.1.10"), "the call is not among the sessions: {sessions}");
    Ok(())
}

/// What `stats` says of the limit with this name.
fn limit(lab: &Lab, name: &str) -> Result<serde_json::Value> {
    let stats: serde_json::Value = serde_json::from_str(&lab.cli.run("stats --json")?.stdout)?;
    let limits = stats["limits"].as_array().context("no limits")?;
    limits.iter().find(|limit| limit["limit"] == name).cloned().with_context(|| format!("no limit of {name}"))
}

#[test]
fn a_host_above_its_limit_is_seen_in_the_statistics() -> Result<()> {
    let lab = small_lab()?;
    lab.cli.succeed("up --wan wan0 --lan br0 --host-sessions 5 --host-rate 1000")?;
    let socket = lab.clients[0].namespace.enter(|| Ok(std::net::UdpSocket::bind("0.0.0.0:0")?))?;
    for port in 1..=20 {
        socket.send_to(b"hello", (SERVER_S, 20_000 + port))?;
    }
    let limit = self::limit(&lab, "sessions of a host")?;
    ensure!(limit["most"] == 5 && limit["has"] == 5 && limit["refused"] == 15, "{limit}");
    ensure!(limit["host"] == "192.168.1.10", "{limit}");
    lab.cli.succeed("up --wan wan0 --lan br0 --host-sessions 0")?;
    socket.send_to(b"hello", (SERVER_S, 20_100))?;
    let limit = self::limit(&lab, "sessions of a host")?;
    ensure!(limit["most"].is_null() && limit["has"] == 6, "{limit}");
    Ok(())
}

#[test]
fn pptp_connections_above_a_hosts_limit_are_refused_until_others_are_gone() -> Result<()> {
    let lab = small_lab()?;
    let _site = Site::start(&lab.s, SourcePort::Any)?;
    lab.cli.succeed("up --wan wan0 --lan br0 --enable pptp --host-connections 1")?;
    let open = || peers::open(Protocol::Pptp, &lab.clients[0], SERVER_S, Duration::from_secs(2));
    let first = open()?;
    ensure!(open().is_err(), "a second connection is not refused");
    let limit = || limit(&lab, "PPTP control connections of a host");
    let before = limit()?;
    ensure!(before["most"] == 1 && before["has"] == 1 && before["host"] == "192.168.1.10", "{before}");
    ensure!(before["refused"].as_u64() > Some(0), "{before}");
    drop(first);
    // Ends the sessions; what is left of their connections goes with them.
    lab.cli.succeed("disable pptp")?;
    ensure!(limit()?["has"].is_null(), "a host still has one: {}", limit()?);
    lab.cli.succeed("enable pptp")?;
    open().map(drop)
}

/// Proves: C3.
#[test]
fn pool_and_blocks_are_used_as_they_were_given() -> Result<()> {
    let lab = small_lab()?;
    let up =
        "up --wan wan0 --lan br0 --address 203.0.113.1,203.0.113.8/29,203.0.113.128/32 --port-block 1008";
    let said = lab.cli.succeed(&format!("{up} --subscribers 192.168.1.0/26"))?;
    ensure!(said.contains("203.0.113.1, 203.0.113.8/29, 203.0.113.128"), "{said}");
    let socket = lab.clients[0].namespace.enter(|| Ok(std::net::UdpSocket::bind("0.0.0.0:5000")?))?;
    socket.send_to(b"hello", (SERVER_S, 20_000))?;
    // Host number 10: block 10 of the first address, ports 11104 to 12111.
    let sessions: serde_json::Value = serde_json::from_str(&lab.cli.run("sessions --json")?.stdout)?;
    let outside = sessions.to_string();
    let port = outside.split("203.0.113.1:").nth(1).and_then(|rest| rest.split('"').next());
    let port: u16 = port.context("no session of the first address")?.parse()?;
    ensure!((11_104..12_112).contains(&port), "{outside}");
    let stats = lab.cli.run("stats")?.stdout;
    for limit in ["outside ports of a host and protocol", "hosts with a block of ports"] {
        ensure!(stats.contains(limit), "{stats}");
    }
    lab.cli.succeed("up --wan wan0 --lan br0 --port-block 0 --pooling soft")?;
    socket.send_to(b"hello", (SERVER_S, 20_001))?;
    Ok(())
}

#[test]
fn forwards_are_refused_in_one_line_where_something_stands_in_the_way() -> Result<()> {
    let lab = small_lab()?;
    lab.cli.up("l2tp")?;
    lab.cli.succeed("forward add tcp 8080-8090 192.168.1.10:80")?;
    let socket = lab.gateway.namespace.enter(|| Ok(std::net::TcpListener::bind("203.0.113.1:2222")?))?;
    for (command, word) in [
        ("forward add tcp 8085 192.168.1.11", "forward del tcp 8080-8090"),
        ("forward add tcp 9000 192.168.1.10:85", "answers from one outside port"),
        ("forward add tcp 2222 192.168.1.10", "listens on tcp 2222"),
        ("forward add tcp 80 198.51.100.10", "does not lie inside"),
        ("forward add tcp 80 192.168.1.1", "gateway itself"),
        ("forward add pptp 192.168.1.10", "passthrough enable pptp"),
        // The first of three is off: nothing of it is applied.
        ("forward add ipsec 192.168.1.10", "passthrough enable ike"),
        ("forward add udp 500 192.168.1.10:501", "500"),
        ("forward add tcp 80", "no inside host"),
        ("forward add sctp 80 192.168.1.10", "sctp"),
        ("forward add ah 192.168.1.10", "cannot cross a NAT"),
        ("forward del tcp 8080", "forward list"),
        ("forward del", "WORD"),
        ("up --wan wan0 --lan br0 --forward", "--forward"),
    ] {
        let line = lab.cli.run(command)?.refusal().with_context(|| format!("passthrough {command}"))?;
        ensure!(line.contains(word), "`{command}` is refused without a word of {word}: {line}");
    }
    let up = ["up", "--wan", "wan0", "--lan", "br0", "--forward", "tcp 8085 192.168.1.10"];
    let line = lab.cli.run_with(&up)?.refusal()?;
    ensure!(line.contains("forward del tcp 8080-8090"), "{line}");
    drop(socket);
    lab.cli.succeed("forward add tcp 2222 192.168.1.10")?;
    let list = lab.cli.succeed("forward list --json")?;
    for word in ["8080", "8090", "2222"] {
        ensure!(list.contains(word), "{word} is not listed: {list}");
    }
    ensure!(!list.contains("esp") && !list.contains("\"udp\""), "something half applied: {list}");
    ensure!(lab.cli.succeed("status")?.contains("2 port forwards"), "status does not tell of them");
    lab.cli.succeed("forward del tcp 8080-8090")?;
    ensure!(lab.cli.succeed("status --json")?.contains("\"forwards\": 1"), "status still tells of two");
    Ok(())
}

#[test]
fn forwards_come_from_the_configuration_file_too() -> Result<()> {
    let lab = small_lab()?;
    let path = std::env::temp_dir().join(format!("{}-forward.toml", lab.gateway.namespace.name()));
    let up = format!("up --config {}", path.display());
    let write = |forwards: &str| -> Result<()> {
        let text = format!("wan = 'wan0'\nlan = ['br0']\nenable = ['pptp']\nforward = [{forwards}]\n");
        fs::write(&path, text).context("writing the file")
    };
    write("'pptp 192.168.1.10', 'esp 192.168.1.10'")?;
    let line = lab.cli.run(&up)?.refusal()?;
    ensure!(line.contains("passthrough enable esp"), "{line}");
    lab.cli.assert_nothing_attached()?;
    write("'pptp 192.168.1.10', 'tcp 8080 192.168.1.10:80'")?;
    // The second time they are there already.
    for _ in 0..2 {
        lab.cli.succeed(&up)?;
        let list = lab.cli.succeed("forward list")?;
        ensure!(list.lines().count() == 3 && list.contains("203.0.113.1:8080"), "{list}");
    }
    fs::remove_file(&path)?;
    Ok(())
}
