//! TCP throughput through the gateway, by iperf3, where it is installed.

use std::{
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use serde_json::Value;

use super::{
    flows::{self, FIRST_SERVER},
    network::Network,
    programs::Programs,
};
use crate::wait;

/// iperf3's port.
const PORT: u16 = 5201;
/// How long the server may take to listen.
const START: Duration = Duration::from_secs(5);

/// Whether iperf3 is installed.
pub fn is_there() -> bool {
    let mut version = Command::new("iperf3");
    version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    version.status().is_ok_and(|status| status.success())
}

/// A program that is ended with this value, by its own process id.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Bits a second of one connection, out (client sends) or in.
pub fn measure(programs: &mut Programs, network: &Network, outbound: bool, length: Duration) -> Result<f64> {
    programs.sink(None)?;
    let server_address = FIRST_SERVER.to_string();
    let mut server = iperf(network.wan.namespace.name());
    server.args(["--server", "--one-off", "--bind", &server_address]);
    let mut server = Running(server.stdout(Stdio::null()).spawn().context("could not run iperf3")?);
    let listens = || network.wan.namespace.enter(|| Ok(is_listening())).unwrap_or(false);
    wait::until(START, "iperf3 to listen", listens)?;
    let client_address = std::net::Ipv4Addr::from(flows::host(0)).to_string();
    let seconds = length.as_secs().max(1).to_string();
    let mut client = iperf(network.lan.namespace.name());
    client.args(["--client", &server_address, "--bind", &client_address, "--time", &seconds, "--json"]);
    client.args(["--connect-timeout", "3000", "--omit", "1"]);
    if !outbound {
        client.arg("--reverse");
    }
    let client = Running(client.stdout(Stdio::piped()).spawn().context("could not run iperf3")?);
    let output = finish(client)?;
    let told: Value = serde_json::from_slice(&output).context("could not read what iperf3 said")?;
    if let Some(error) = told["error"].as_str() {
        return Err(anyhow!("iperf3: {error}"));
    }
    let _ = server.0.wait();
    told["end"]["sum_received"]["bits_per_second"].as_f64().context("iperf3 told no bits a second")
}

fn iperf(namespace: &str) -> Command {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net=/run/netns/{namespace}")).arg("iperf3").stdin(Stdio::null());
    command
}

/// Waits for a program to end, and gives what it wrote.
fn finish(mut program: Running) -> Result<Vec<u8>> {
    use std::io::Read;
    let mut stdout = program.0.stdout.take().context("iperf3 has no output")?;
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        stdout.read_to_end(&mut bytes).map(|_| bytes)
    });
    let ended = wait::until(Duration::from_secs(60), "iperf3 to end", || {
        program.0.try_wait().ok().flatten().is_some()
    });
    if ended.is_err() {
        drop(program);
    }
    let bytes = reader.join().map_err(|_| anyhow!("reading iperf3 panicked"))?;
    ended?;
    bytes.context("could not read what iperf3 said")
}

/// Whether anybody listens on iperf3's port, in the calling thread's namespace.
fn is_listening() -> bool {
    let sockets = std::fs::read_to_string("/proc/thread-self/net/tcp").unwrap_or_default();
    let port = format!(":{PORT:04X} ");
    sockets.lines().skip(1).any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.len() > 3 && format!("{} ", words[1]).ends_with(&port) && words[3] == "0A"
    })
}
