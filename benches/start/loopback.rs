//! The smallest HTTP server that the functions' clients speak to: one thread for each connection,
//! so that what is measured is the client.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

/// A request, as far as the fakes look at it.
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find_map(|(header, value)| header.eq_ignore_ascii_case(name).then_some(value.trim()))
    }
}

/// An answer: status, lines of headers, body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: &'static [&'static str],
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: &[], body: body.into() }
    }
}

/// Serves on loopback until the process ends. Where `answer` gives nothing, the client waits until
/// it closes its connection.
pub(crate) fn serve(
    answer: impl Fn(Asked) -> Option<Answer> + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = Arc::clone(&answer);
            // A client that is killed breaks off, and that is all there is to know about it.
            std::thread::spawn(move || drop(converse(stream, &*answer)));
        }
    });
    address
}

fn converse(stream: TcpStream, answer: &dyn Fn(Asked) -> Option<Answer>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    while let Some(asked) = read(&mut reader)? {
        let Some(Answer { status, headers, body }) = answer(asked) else {
            io::copy(&mut reader, &mut io::sink())?;
            return Ok(());
        };
        let mut message = format!("HTTP/1.1 {status} -\r\ncontent-length: {}\r\n", body.len());
        for header in headers {
            message.extend([header, "\r\n"]);
        }
        message.push_str("\r\n");
        let mut message = message.into_bytes();
        message.extend(body);
        writer.write_all(&message)?;
    }
    Ok(())
}

/// The next request; nothing where the connection is at its end.
fn read(reader: &mut BufReader<TcpStream>) -> io::Result<Option<Asked>> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(None);
        }
    }
    let mut first = head.lines().next().unwrap_or_default().split(' ').map(str::to_owned);
    let (method, path) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    let mut asked = Asked { method, path, head, body: Vec::new() };
    assert!(asked.header("transfer-encoding").is_none(), "{}: a body in chunks", asked.path);
    let length = asked.header("content-length").map_or(0, |length| length.parse().unwrap());
    asked.body.resize(length, 0);
    reader.read_exact(&mut asked.body)?;
    Ok(Some(asked))
}
