//! The program in the containers, as server and client over TCP and UDP, in both families. `busybox-static` has no UDP.
#![expect(clippy::print_stdout, reason = "it answers on its standard output")]

use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

/// The time limit for an answer.
const PATIENCE: Duration = Duration::from_secs(3);

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", name] => serve(name),
        ["ask", "tcp", address] => println!("{}", ask_tcp(address)?),
        ["ask", "udp", address] => println!("{}", ask_udp(address)?),
        ["fetch", address, bytes] => println!("{}", fetch(address, bytes.parse()?)?.as_secs_f64()),
        _ => bail!("talk serve NAME | talk ask tcp|udp ADDRESS:PORT | talk fetch ADDRESS:PORT BYTES"),
    }
    Ok(())
}

/// Answers every client on port 80 with `NAME PEER`. Over TCP, it sends that many bytes to a client that asks for a
/// number.
fn serve(name: &str) {
    let udp = UdpSocket::bind("[::]:80").or_else(|_| UdpSocket::bind("0.0.0.0:80"));
    let own = name.to_owned();
    thread::spawn(move || {
        let Ok(udp) = udp else { return };
        while let Ok((_, peer)) = udp.recv_from(&mut [0; 512]) {
            let _ = udp.send_to(answer(&own, peer).as_bytes(), peer);
        }
    });
    let tcp = TcpListener::bind("[::]:80").or_else(|_| TcpListener::bind("0.0.0.0:80"));
    for stream in tcp.iter().flat_map(TcpListener::incoming).flatten() {
        let name = name.to_owned();
        thread::spawn(move || reply(stream, &name));
    }
}

fn answer(name: &str, peer: SocketAddr) -> String {
    format!("{name} {}", peer.ip().to_canonical())
}

fn reply(mut stream: TcpStream, name: &str) -> Option<()> {
    let mut asked = [0; 20];
    let length = stream.read(&mut asked).ok()?;
    let asked = std::str::from_utf8(asked.get(..length)?).ok()?;
    match asked.trim().parse::<usize>() {
        Ok(bytes) => stream.write_all(&vec![b'x'; bytes]).ok(),
        Err(_) => stream.write_all(answer(name, stream.peer_addr().ok()?).as_bytes()).ok(),
    }
}

fn connect(address: &str) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address.parse()?, PATIENCE).context("no connection")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn ask_tcp(address: &str) -> Result<String> {
    let mut stream = connect(address)?;
    stream.write_all(b"who?")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn ask_udp(address: &str) -> Result<String> {
    let address: SocketAddr = address.parse()?;
    let socket = UdpSocket::bind(if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect(address)?;
    socket.send(b"who?")?;
    let mut buffer = [0; 512];
    let length = socket.recv(&mut buffer).context("no answer")?;
    Ok(String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into_owned())
}

/// The time for that many bytes.
fn fetch(address: &str, bytes: usize) -> Result<Duration> {
    let mut stream = connect(address)?;
    stream.set_read_timeout(None)?;
    let begun = Instant::now();
    stream.write_all(bytes.to_string().as_bytes())?;
    let mut got = Vec::new();
    stream.read_to_end(&mut got)?;
    if got.len() != bytes {
        bail!("{} bytes came, not {bytes}", got.len());
    }
    Ok(begun.elapsed())
}
